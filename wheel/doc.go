// Package wheel reads wheels: file name, tags, METADATA and RECORD, and holds
// each against the archive before anything trusts it.
//
// Start with Open; wheel/install turns Readers into the tree that an installer
// would leave.
package wheel
