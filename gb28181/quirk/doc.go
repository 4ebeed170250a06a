// Package quirk names the ways in which the server treats some devices otherwise
// than the standard says, because that is how they behave, and reads the rules
// that say which devices those are (signalling.md section 9).
//
// A [Name] is one behaviour; the one place in the code that reads it is named
// beside it. [Rules] say by manufacturer, model, User-Agent and ID where it
// applies; a device's own list, set by hand, goes before them. Most of what is
// tolerated needs no name, because it is done for every device: docs/quirks.md
// says for each row of section 9 which it is.
package quirk
