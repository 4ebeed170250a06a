package app

import (
	"bytes"
	"log" //nolint:depguard // http.Server takes no other; nothing is written to its global

	"github.com/rs/zerolog"
)

// httpLog takes what net/http has to say: mostly of strangers whose TLS
// handshake failed, which is no news to the operator.
type httpLog struct{ log zerolog.Logger }

func newHTTPLog(to zerolog.Logger) *log.Logger { return log.New(httpLog{to}, "", 0) }

func (l httpLog) Write(line []byte) (int, error) {
	l.log.Debug().Bytes("err", bytes.TrimSpace(line)).Msg("net/http")
	return len(line), nil
}
