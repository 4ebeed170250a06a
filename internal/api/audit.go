package api

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/internal/store"
)

// auditTimeout bounds how long a caller waits for its call to be kept.
const auditTimeout = 5 * time.Second

// audit keeps what signed-in callers change or try to, sign-ins, and reads of
// secrets. What strangers try is not kept, so that they cannot fill it, but
// sign-ins, and those are slowed.
func (s *Server) audit(c *call, status int) {
	r := c.r
	changes := r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
	if !c.sensitive && (!changes || c.who.via == "" || c.who.via == "play" || !strings.HasPrefix(r.URL.Path, "/api/")) {
		return
	}
	if status == 0 {
		status = http.StatusOK
	}
	_, pattern := s.mux.Handler(r)
	if !strings.Contains(pattern, " ") {
		pattern = r.Method + " " + pattern
	}
	target := r.URL.Path
	if c.target != "" {
		target += " " + c.target
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), auditTimeout)
	defer cancel()
	err := s.svc.Store.AddAudit(ctx, store.Audit{
		At: time.Now().Truncate(time.Millisecond), Who: c.who.name, Via: c.who.via, Remote: s.clientAddr(r).String(),
		Route: pattern, Target: clip(target, 512), Status: status, Code: c.code, Trace: c.trace,
	})
	if err != nil {
		s.m.unaudited.Inc()
		s.log.Error().Ctx(ctx).Err(err).Str("user", c.who.name).Str("route", pattern).Str("target", target).Msg("audit not kept")
	}
}

func clip(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// AuditInput narrows the audit.
type AuditInput struct {
	User   string `query:"user" maxLength:"130" doc:"exactly; API keys are \"key <name>\""`
	Target string `query:"target" maxLength:"200" doc:"part of the route or path: a device's ID, /users/"`
	Since  stamp  `query:"since" doc:"not before"`
	Until  stamp  `query:"until" doc:"before"`
}

func (in AuditInput) filter() store.AuditFilter {
	return store.AuditFilter{Who: in.User, Target: in.Target, Since: time.Time(in.Since), Until: time.Time(in.Until)}
}

type auditInput struct {
	AuditInput
	Page     int  `query:"page" default:"1" minimum:"1" maximum:"1000000" doc:"from 1; the newest first"`
	PageSize int  `query:"page_size" default:"100" minimum:"1" maximum:"1000"`
	Verify   bool `query:"verify" doc:"also walk the whole chain"`
}

type auditView struct {
	ID     int64  `json:"id"`
	At     stamp  `json:"at"`
	User   string `json:"user"`
	Via    string `json:"via" doc:"session, key, local; empty for a sign-in"`
	Remote string `json:"remote" doc:"IP address"`
	Route  string `json:"route" doc:"method and pattern"`
	Target string `json:"target" doc:"the path, and what the body named; never a secret"`
	Status int    `json:"status" doc:"HTTP"`
	Code   int    `json:"code" doc:"of the error, 0 = none"`
	Trace  string `json:"trace"`
}

func viewAudit(e store.Audit) auditView {
	return auditView{e.ID, stamp(e.At), e.Who, e.Via, e.Remote, e.Route, e.Target, e.Status, e.Code, e.Trace}
}

type chainView struct {
	OK     bool   `json:"ok"`
	Rows   int    `json:"rows" doc:"checked"`
	Broken int64  `json:"broken,omitempty" doc:"id at which the chain breaks"`
	Detail string `json:"detail,omitempty"`
}

type auditOutput struct {
	Body struct {
		Items []auditView `json:"items" nullable:"false"`
		Total int         `json:"total"`
		Chain *chainView  `json:"chain,omitempty" doc:"with verify: whether rows were changed or taken out by other hands"`
	}
}

func (s *Server) addAudit() {
	tags := []string{"audit"}
	need := access{act: rights.Admin}
	op(s, need, huma.Operation{OperationID: "list-audit", Method: http.MethodGet, Path: "/api/v1/audit", Tags: tags,
		Summary: "Who did what", Description: "Every change that was made or refused, sign-ins, and reads of secrets. The newest first. Rows can be neither changed nor removed; they go with age (audit.keep). "}, s.listAudit)
	need.query = true
	s.route("GET /api/v1/audit.csv", need, s.auditCSV)
	s.describe(huma.Operation{OperationID: "get-audit-csv", Method: http.MethodGet, Path: "/api/v1/audit.csv", Tags: tags,
		Summary: "The same as CSV, all of it", Description: "Takes user, target, since and until. ?token= is taken too. "},
		"text/csv", "user", "target", "since", "until", "token")
}

func (s *Server) listAudit(ctx context.Context, in *auditInput) (*auditOutput, error) {
	page, total, err := s.svc.Store.Audits(ctx, in.filter(), (in.Page-1)*in.PageSize, in.PageSize)
	if err != nil {
		return nil, storeFault(err)
	}
	out := &auditOutput{}
	out.Body.Total, out.Body.Items = total, make([]auditView, len(page))
	for i, e := range page {
		out.Body.Items[i] = viewAudit(e)
	}
	if in.Verify {
		c, err := s.svc.Store.VerifyAudit(ctx)
		if err != nil {
			return nil, storeFault(err)
		}
		out.Body.Chain = &chainView{c.Broken == 0, c.Rows, c.Broken, c.Detail}
	}
	return out, nil
}

func (s *Server) auditCSV(w http.ResponseWriter, r *http.Request) {
	in, err := parseAudit(r.URL.Query())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	const step = 1000
	f, out := in.filter(), csv.NewWriter(w)
	if f.Until.IsZero() {
		f.Until = time.Now() // what comes in meanwhile would shift the pages
	}
	for offset := 0; ; offset += step {
		page, _, err := s.svc.Store.Audits(r.Context(), f, offset, step)
		switch {
		case err != nil && offset == 0:
			s.fail(w, r, storeFault(err))
			return
		case err != nil:
			s.log.Warn().Ctx(r.Context()).Err(err).Msg("audit not sent whole")
			panic(http.ErrAbortHandler) // a cut file must not look whole
		case offset == 0:
			w.Header().Set("Content-Type", "text/csv; charset=utf-8")
			w.Header().Set("Content-Disposition", `attachment; filename="fengsui-audit-`+time.Now().UTC().Format("20060102-150405")+`.csv"`)
			_ = out.Write([]string{"id", "at", "user", "via", "remote", "route", "target", "status", "code", "trace"}) // seen by Error below
		}
		for _, e := range page {
			_ = out.Write([]string{strconv.FormatInt(e.ID, 10), e.At.UTC().Format(timeFormat), cell(e.Who), e.Via, e.Remote, e.Route, cell(e.Target),
				strconv.Itoa(e.Status), strconv.Itoa(e.Code), e.Trace})
		}
		if out.Flush(); out.Error() != nil || len(page) < step {
			return // done, or the caller is gone
		}
	}
}

// cell keeps a spreadsheet from taking words for a formula.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

func parseAudit(q url.Values) (in AuditInput, err error) {
	in = AuditInput{User: q.Get("user"), Target: q.Get("target")}
	for name, to := range map[string]*stamp{"since": &in.Since, "until": &in.Until} {
		if text := q.Get(name); text != "" {
			if err := to.UnmarshalText([]byte(text)); err != nil {
				return in, fault.Invalid("query."+name, text, "want an RFC 3339 time")
			}
		}
	}
	return in, nil
}
