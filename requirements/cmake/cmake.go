// Package cmake reads the text of CMake files: commands with their arguments
// and the references in them, as cmake-language(7) has it. It runs nothing.
package cmake

import "fmt"

// Command is one command invocation: name ( arguments ).
type Command struct {
	Name string // as written; CMake takes any case
	Line int
	Args []Arg
}

// Kind is how an argument was written.
type Kind int

// The kinds of arguments. Parentheses inside an invocation are arguments too.
const (
	Unquoted Kind = iota
	Quoted
	Bracket
	Open  // (
	Close // )
)

// Arg is one argument before evaluation: what stands between its delimiters.
type Arg struct {
	Kind Kind
	Text string
	Line int
}

// SyntaxError says where a text is not CMake's language.
type SyntaxError struct {
	File    string
	Line    int
	Message string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message) }

// maxNesting bounds parentheses and references in one another: real files have
// three or four.
const maxNesting = 64
