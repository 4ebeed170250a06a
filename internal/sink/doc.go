// Package sink tells receivers outside what happened: each has an outbox of the
// journal, from which its letters go out in order, are tried again after a pause,
// and are given up into a list of dead ones. How a letter travels is a Sender's
// matter: webhook, kafka and redis below. docs/events.md has the schema.
package sink
