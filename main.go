// Command berth runs containers without a daemon.
package main

func main() {}
