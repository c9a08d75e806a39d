package top

// forest puts every process below the one that started it, and gives each its
// branch to show in front of the command. Those whose parent is not among them
// are roots; siblings keep their order.
func forest(list []Process) []Process {
	index, children := map[int64]int{}, map[int][]int{}
	for i, p := range list {
		index[int64(p.PID)] = i
	}
	var roots []int
	for i := range list {
		parent, known := index[list[i].number(4)]
		if !known || parent == i {
			roots = append(roots, i)
		} else {
			children[parent] = append(children[parent], i)
		}
	}
	var out []Process
	var grow func(i int, own, below string)
	grow = func(i int, own, below string) {
		p := list[i]
		p.branch = own
		out = append(out, p)
		for n, child := range children[i] {
			if n < len(children[i])-1 {
				grow(child, below+` \_ `, below+" |  ")
			} else {
				grow(child, below+` \_ `, below+"    ")
			}
		}
	}
	for _, i := range roots {
		grow(i, "", "")
	}
	return out
}
