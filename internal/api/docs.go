package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"reflect"
	"sort"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
)

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// describe documents a route that is not a JSON operation: what it answers, and
// its query parameters. Parameters in the path are found.
func (s *Server) describe(o huma.Operation, answer string, query ...string) {
	for _, part := range strings.Split(o.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			o.Parameters = append(o.Parameters, &huma.Param{Name: strings.TrimSuffix(name, "}"), In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
		}
	}
	for _, name := range query {
		o.Parameters = append(o.Parameters, &huma.Param{Name: name, In: "query", Schema: &huma.Schema{Type: huma.TypeString}})
	}
	o.Responses = s.responses()
	status := "200"
	if o.Method == http.MethodPost {
		status = "201"
	}
	o.Responses[status] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{answer: {Schema: &huma.Schema{Type: huma.TypeString}}}}
	o.Description = s.routes[o.Method+" "+o.Path].document(&o)
	s.api.OpenAPI().AddOperation(&o)
}

// addDocs serves the OpenAPI document and a page of it that needs nothing else.
func (s *Server) addDocs() error {
	doc := s.api.OpenAPI()
	delete(doc.Components.Schemas.Map(), "ErrorModel") // huma's own, which nobody gets
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
	compact, err := doc.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encode OpenAPI document: %w", err)
	}
	var spec bytes.Buffer
	if err := json.Indent(&spec, compact, "", " "); err != nil {
		return fmt.Errorf("indent OpenAPI document: %w", err)
	}
	s.spec = append(spec.Bytes(), '\n')
	var page bytes.Buffer
	if err := docsPage().Execute(&page, docsOf(doc)); err != nil {
		return fmt.Errorf("render documentation: %w", err)
	}
	need := access{member: true, query: true}
	s.route("GET /openapi.json", need, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(s.spec) // the caller may be gone
	})
	s.route("GET /docs", need, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page.Bytes())
	})
	return nil
}

// OpenAPI is the OpenAPI 3.1 document, indented JSON.
func (s *Server) OpenAPI() []byte { return s.spec }

type docs struct {
	Title, Text string
	Groups      []docsGroup
	Faults      []fault.Fault
}

type docsGroup struct {
	Name string
	Ops  []docsOp
}

type docsOp struct {
	Method, Path, Title, Text string
	Params, Body, Answer      []docsField
	AnswerType                string
}

type docsField struct {
	Name, Type, Text string
	Required         bool
}

func docsOf(doc *huma.OpenAPI) docs {
	d := docs{Title: doc.Info.Title, Text: doc.Info.Description, Faults: fault.Table()}
	groups := map[string][]docsOp{}
	for path, item := range doc.Paths {
		for method, o := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete} {
			if o == nil {
				continue
			}
			op := docsOp{Method: method, Path: path, Title: o.Summary, Text: o.Description}
			for _, p := range o.Parameters {
				op.Params = append(op.Params, docsField{p.Name, p.In + ", " + schemaType(doc, p.Schema), schemaText(p.Schema, p.Description), p.Required})
			}
			if o.RequestBody != nil {
				for _, media := range o.RequestBody.Content {
					op.Body = fieldsOf(doc, media.Schema, "", 0)
				}
			}
			for status, r := range o.Responses {
				if status == "default" {
					continue
				}
				op.AnswerType = status
				for kind, media := range r.Content {
					op.AnswerType = status + " " + kind
					op.Answer = fieldsOf(doc, media.Schema, "", 0)
				}
			}
			groups[o.Tags[0]] = append(groups[o.Tags[0]], op)
		}
	}
	for name, ops := range groups {
		sort.Slice(ops, func(i, j int) bool { return ops[i].Path+ops[i].Method < ops[j].Path+ops[j].Method })
		d.Groups = append(d.Groups, docsGroup{name, ops})
	}
	sort.Slice(d.Groups, func(i, j int) bool { return d.Groups[i].Name < d.Groups[j].Name })
	return d
}

// fieldsOf flattens a schema: "items[].name". It stops at a depth of five.
func fieldsOf(doc *huma.OpenAPI, sc *huma.Schema, prefix string, depth int) []docsField {
	sc = resolve(doc, sc)
	if sc == nil || depth > 5 {
		return nil
	}
	if sc.Type == huma.TypeArray {
		return fieldsOf(doc, sc.Items, prefix+"[].", depth+1)
	}
	names := make([]string, 0, len(sc.Properties))
	for name := range sc.Properties {
		names = append(names, name)
	}
	sort.Strings(names)
	required := map[string]bool{}
	for _, name := range sc.Required {
		required[name] = true
	}
	var fields []docsField
	for _, name := range names {
		p := sc.Properties[name]
		full := strings.ReplaceAll(prefix+name, ".[]", "[]")
		fields = append(fields, docsField{full, schemaType(doc, p), schemaText(p, p.Description), required[name]})
		fields = append(fields, fieldsOf(doc, p, full+".", depth+1)...)
	}
	return fields
}

func resolve(doc *huma.OpenAPI, sc *huma.Schema) *huma.Schema {
	if sc != nil && sc.Ref != "" {
		return doc.Components.Schemas.SchemaFromRef(sc.Ref)
	}
	return sc
}

func schemaType(doc *huma.OpenAPI, sc *huma.Schema) string {
	sc = resolve(doc, sc)
	switch {
	case sc == nil:
		return ""
	case sc.Type == huma.TypeArray:
		return "list of " + schemaType(doc, sc.Items)
	case sc.Format != "":
		return sc.Type + " " + sc.Format
	}
	return sc.Type
}

func schemaText(sc *huma.Schema, text string) string {
	if sc == nil {
		return text
	}
	parts := []string{}
	if text != "" {
		parts = append(parts, text)
	}
	if len(sc.Enum) > 0 {
		parts = append(parts, fmt.Sprintf("one of %q", sc.Enum))
	}
	if sc.Default != nil {
		parts = append(parts, fmt.Sprintf("default %v", sc.Default))
	}
	if sc.Minimum != nil {
		parts = append(parts, fmt.Sprintf("from %v", *sc.Minimum))
	}
	if sc.Maximum != nil {
		parts = append(parts, fmt.Sprintf("to %v", *sc.Maximum))
	}
	return strings.Join(parts, "; ")
}

func docsPage() *template.Template {
	return template.Must(template.New("docs").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}} API</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em;color:#1c1e21}
h2{margin-top:2em;border-bottom:1px solid #ccc}summary{cursor:pointer;padding:.3em 0}code{background:#f3f3f1;padding:0 .2em}
table{border-collapse:collapse;width:100%;margin:.5em 0 1em}td,th{text-align:left;vertical-align:top;padding:.2em .6em .2em 0;border-bottom:1px solid #eee}
.m{display:inline-block;width:5em;font-weight:bold}details>*:not(summary){margin-left:1em}
@media(prefers-color-scheme:dark){body{background:#16181b;color:#dcdcdc}code{background:#24272b}td,th{border-color:#333}}
</style>
<h1>{{.Title}} API</h1>
<p>{{.Text}} The machine-readable document is <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
<p>{{range .Groups}}<a href="#{{.Name}}">{{.Name}}</a> · {{end}}<a href="#errors">errors</a></p>
{{range .Groups}}<h2 id="{{.Name}}">{{.Name}}</h2>
{{range .Ops}}<details><summary><span class="m">{{.Method}}</span> <code>{{.Path}}</code> {{.Title}}</summary>
<p>{{.Text}}</p>
{{if .Params}}<b>Parameters</b><table>{{range .Params}}<tr><td><code>{{.Name}}</code>{{if .Required}} *{{end}}<td>{{.Type}}<td>{{.Text}}{{end}}</table>{{end}}
{{if .Body}}<b>Body</b><table>{{range .Body}}<tr><td><code>{{.Name}}</code>{{if .Required}} *{{end}}<td>{{.Type}}<td>{{.Text}}{{end}}</table>{{end}}
<b>Answer {{.AnswerType}}</b>{{if .Answer}}<table>{{range .Answer}}<tr><td><code>{{.Name}}</code><td>{{.Type}}<td>{{.Text}}{{end}}</table>{{end}}
</details>{{end}}{{end}}
<h2 id="errors">errors</h2><table><tr><th>code<th>HTTP<th>title<th>remedy</tr>
{{range .Faults}}<tr id="{{.Code}}"><td>{{.Code}} <code>{{.Name}}</code><td>{{.Status}}<td>{{.Title.EN}}<br>{{.Title.ZH}}<td>{{.Remedy.EN}}<br>{{.Remedy.ZH}}</tr>{{end}}</table>
</html>
`))
}
