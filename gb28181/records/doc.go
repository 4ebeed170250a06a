// Package records finds out what a device has recorded (RecordInfo,
// signalling.md section 3.10). The list comes in parts, which come late, twice or
// not at all, and the number that a device announces may be wrong (section 9 row
// 25). So a list is put together as covered time: a question whose answer was
// whole proves its range, a record proves its own, and only what neither proves
// is asked for again. What stays open is told as missing.
//
// [Assembly] is that without any asking; [Records] asks.
package records
