package checkup

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Verdict is how a step ended.
type Verdict string

// The verdicts.
const (
	Pass        Verdict = "pass"
	Fail        Verdict = "fail"
	Unsupported Verdict = "unsupported" // the device refuses it, or does not answer what it need not have
	Skipped     Verdict = "skipped"     // nothing could be judged
)

var verdicts = map[Verdict]Text{
	Pass: {"pass", "通过"}, Fail: {"fail", "失败"}, Unsupported: {"unsupported", "不支持"}, Skipped: {"skipped", "跳过"},
}

// Text is a text in both languages.
type Text struct {
	EN string `json:"en"`
	ZH string `json:"zh"`
}

// In is the text in a language: zh or any other for English.
func (t Text) In(lang string) string {
	if lang == "zh" {
		return t.ZH
	}
	return t.EN
}

// Message is one SIP message of a step, with its secrets hidden.
type Message struct {
	At   time.Time `json:"at"`
	Dir  string    `json:"dir" enum:"in,out" doc:"in is from the device"`
	Text string    `json:"text"`
}

// Step is one check that was made.
type Step struct {
	Name     string    `json:"name" doc:"stable: registration, config.BasicParam"`
	Title    Text      `json:"title"`
	Clause   string    `json:"clause" doc:"of GB/T 28181"`
	Verdict  Verdict   `json:"verdict" enum:"pass,fail,unsupported,skipped"`
	Detail   Text      `json:"detail" doc:"what was seen"`
	TookMS   int64     `json:"took_ms"`
	Messages []Message `json:"messages" doc:"of the device during the step, at most 200"`
}

// Report is what a check-up found.
type Report struct {
	Device       string    `json:"device"`
	Manufacturer string    `json:"manufacturer"`
	Model        string    `json:"model"`
	Firmware     string    `json:"firmware"`
	Edition      string    `json:"edition"`
	StartedAt    time.Time `json:"started_at"`
	TookMS       int64     `json:"took_ms"`
	Passed       int       `json:"passed"`
	Failed       int       `json:"failed"`
	Unsupported  int       `json:"unsupported"`
	Skipped      int       `json:"skipped"`
	Steps        []Step    `json:"steps"`
}

func (r *Report) count() {
	for i := range r.Steps {
		switch r.Steps[i].Verdict {
		case Pass:
			r.Passed++
		case Fail:
			r.Failed++
		case Unsupported:
			r.Unsupported++
		case Skipped:
			r.Skipped++
		}
	}
}

// Markdown is the report in a language, zh or en, as Markdown with all messages.
func (r *Report) Markdown(lang string) string {
	var b strings.Builder
	title := Text{"Conformance of", "一致性测试："}
	fmt.Fprintf(&b, "# %s %s\n\n%s %s %s, GB/T 28181-%s, %s\n\n", title.In(lang), r.Device, r.Manufacturer, r.Model, r.Firmware, r.Edition, r.StartedAt.Format(time.DateTime))
	r.table(&b, lang)
	for i := range r.Steps {
		if s := &r.Steps[i]; len(s.Messages) > 0 {
			fmt.Fprintf(&b, "\n## %d. %s\n", i+1, s.Title.In(lang))
			for _, m := range s.Messages {
				fmt.Fprintf(&b, "\n%s %s\n\n```\n%s\n```\n", m.At.Format("15:04:05.000"), m.Dir, strings.TrimSpace(m.Text))
			}
		}
	}
	return b.String()
}

func (r *Report) table(b *strings.Builder, lang string) {
	head := Text{"| # | Check | Clause | Verdict | Seen |", "| # | 检查项 | 条款 | 结论 | 说明 |"}
	fmt.Fprintf(b, "%s\n|---|---|---|---|---|\n", head.In(lang))
	for i := range r.Steps {
		s := &r.Steps[i]
		fmt.Fprintf(b, "| %d | %s | %s | %s | %s |\n", i+1, s.Title.In(lang), s.Clause, verdicts[s.Verdict].In(lang), strings.ReplaceAll(s.Detail.In(lang), "|", "\\|"))
	}
}

// Text is the report in a language as lines, without the messages.
func (r *Report) Text(lang string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s GB/T 28181-%s\n", r.Device, r.Manufacturer, r.Model, r.Edition)
	for i := range r.Steps {
		s := &r.Steps[i]
		fmt.Fprintf(&b, "%-12s %s (%s): %s\n", verdicts[s.Verdict].In(lang), s.Title.In(lang), s.Clause, s.Detail.In(lang))
	}
	return b.String()
}

// JSON is the report as JSON.
func (r *Report) JSON() ([]byte, error) { return json.MarshalIndent(r, "", "  ") }
