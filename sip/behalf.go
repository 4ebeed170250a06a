package sip

import "context"

type behalfKey struct{}

// OnBehalf names the user for whom requests under the context are sent, as
// Monitor-User-Identity has it; "" leaves the context as it is.
func OnBehalf(ctx context.Context, identity string) context.Context {
	if identity == "" {
		return ctx
	}
	return context.WithValue(ctx, behalfKey{}, identity)
}

// BehalfOf is what [OnBehalf] named, "" without it.
func BehalfOf(ctx context.Context) string {
	identity, _ := ctx.Value(behalfKey{}).(string)
	return identity
}
