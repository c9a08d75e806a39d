package style

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// TestNoMutableGlobals holds what can be seen without types: a package variable
// is assigned once, where it is declared, and has no lock, pool or cache in it.
func TestNoMutableGlobals(t *testing.T) {
	type key struct{ dir, name string }
	globals := map[key]string{}
	all := sources(t)
	for _, s := range all {
		if s.test || in(s.dir, outside()) {
			continue
		}
		eachGlobal(s, func(name *ast.Ident, spec *ast.ValueSpec) {
			globals[key{s.dir, name.Name}] = s.path
			if why := mutable(spec); why != "" && !embedded(spec) {
				t.Errorf("%s:%d: package variable %s is %s: pass it to who needs it", s.path, s.line(name), name.Name, why)
			}
		})
	}
	for _, s := range all {
		if s.test || in(s.dir, outside()) {
			continue
		}
		eachWrite(s.file, func(name *ast.Ident, how string) {
			if _, global := globals[key{s.dir, name.Name}]; global && !shadowed(s.file, name) {
				t.Errorf("%s:%d: package variable %s is %s", s.path, s.line(name), name.Name, how)
			}
		})
	}
}

func TestNoInit(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s:%d: init() runs before main can decide", s.path, s.line(f))
			}
		}
	}
}

// TestNoRegexpOnStartPath: compiling one costs every start of berth, and every
// container's, tens of microseconds.
func TestNoRegexpOnStartPath(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || in(s.dir, outside()) {
			continue
		}
		eachGlobal(s, func(name *ast.Ident, spec *ast.ValueSpec) {
			for _, v := range spec.Values {
				if call, ok := v.(*ast.CallExpr); ok && strings.HasPrefix(dotted(call.Fun), "regexp.") {
					t.Errorf("%s:%d: %s compiles a regular expression at start-up", s.path, s.line(name), name.Name)
				}
			}
		})
	}
}

func eachGlobal(s source, visit func(*ast.Ident, *ast.ValueSpec)) {
	for _, d := range s.file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			if v.Doc == nil {
				v.Doc = g.Doc
			}
			for _, name := range v.Names {
				if name.Name != "_" {
					visit(name, v)
				}
			}
		}
	}
}

// mutable says why a declaration can only be meant to change.
func mutable(spec *ast.ValueSpec) string {
	kind := dotted(spec.Type)
	switch {
	case strings.HasPrefix(kind, "sync.") || strings.HasPrefix(kind, "atomic."):
		return "a " + kind
	case len(spec.Values) == 0:
		return "declared without a value"
	}
	for _, v := range spec.Values {
		if u, ok := v.(*ast.UnaryExpr); ok && u.Op == token.AND {
			v = u.X
		}
		if lit, ok := v.(*ast.CompositeLit); ok {
			if kind := dotted(lit.Type); strings.HasPrefix(kind, "sync.") || strings.HasPrefix(kind, "atomic.") {
				return "a " + kind
			}
		}
		if call, ok := v.(*ast.CallExpr); ok && dotted(call.Fun) == "make" {
			return "made empty, to be filled"
		}
	}
	return ""
}

// embedded: //go:embed fills a variable that has no value.
func embedded(spec *ast.ValueSpec) bool {
	if spec.Doc == nil {
		return false
	}
	for _, c := range spec.Doc.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// eachWrite finds identifiers that are assigned to, counted up or emptied,
// directly or through an index or a field.
func eachWrite(file *ast.File, visit func(name *ast.Ident, how string)) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				return true
			}
			for _, left := range n.Lhs {
				if name := rootOf(left); name != nil {
					visit(name, "assigned to")
				}
			}
		case *ast.IncDecStmt:
			if name := rootOf(n.X); name != nil {
				visit(name, "counted")
			}
		case *ast.CallExpr:
			if f := dotted(n.Fun); (f == "delete" || f == "clear") && len(n.Args) > 0 {
				if name := rootOf(n.Args[0]); name != nil {
					visit(name, "emptied")
				}
			}
		}
		return true
	})
}

func rootOf(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// shadowed tells whether a function around the identifier declares the same
// name: a parameter, a result, := or var.
func shadowed(file *ast.File, name *ast.Ident) bool {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || name.Pos() < f.Pos() || name.Pos() > f.End() {
			continue
		}
		found := false
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				found = found || named(n.Names, name.Name)
			case *ast.ValueSpec:
				found = found || named(n.Names, name.Name)
			case *ast.RangeStmt:
				found = found || isNamed(n.Key, name.Name) || isNamed(n.Value, name.Name)
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					found = found || n.Tok == token.DEFINE && isNamed(left, name.Name)
				}
			}
			return !found
		})
		return found
	}
	return false
}

func named(names []*ast.Ident, name string) bool {
	for _, n := range names {
		if n.Name == name {
			return true
		}
	}
	return false
}

func isNamed(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

// dotted prints an identifier or a selector, and nothing for anything else.
func dotted(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return dotted(e.X) + "." + e.Sel.Name
	case *ast.IndexExpr:
		return dotted(e.X)
	}
	return ""
}
