// Package inspect reads what binaries say of themselves as they pass by, once:
// the machine, the libraries and symbol versions that they need, and the GPU
// code in them. It needs no GPU, no CUDA and no loader.
//
// Start with Scanner, which takes one file; Wheel and FS read many.
package inspect
