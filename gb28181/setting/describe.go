package setting

import (
	"fengsui/gb28181"
)

// Describe is the type as a JSON Schema (2020-12) of what an answer of an edition
// may hold: fields with readOnly cannot be set, required ones must be. Beside the
// standard's words, x-order lists the properties as a form should, x-unit is a
// unit, and title is in lang, "zh" or else English.
func (t *Type) Describe(e gb28181.Edition, lang string) map[string]any {
	s := describe(t.Fields, e.Effective(), lang)
	s["title"] = t.Words.in(lang)
	if !t.Settable {
		s["readOnly"] = true
	}
	return s
}

func (w Words) in(lang string) string {
	if lang == "zh" {
		return w.ZH
	}
	return w.EN
}

func describe(fields []Field, e gb28181.Edition, lang string) map[string]any {
	properties, order, required := map[string]any{}, []string{}, []string{}
	for i := range fields {
		f := &fields[i]
		if !f.has(e, false) {
			continue
		}
		properties[f.Key] = f.describe(e, lang)
		order = append(order, f.Key)
		if f.Must && f.has(e, true) {
			required = append(required, f.Key)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false, "x-order": order}
}

func (f *Field) describe(e gb28181.Edition, lang string) map[string]any {
	s := map[string]any{}
	bounds := func(low, high string) {
		if f.bounded() {
			s[low], s[high] = f.Min, f.Max
		}
	}
	switch f.Kind {
	case Int:
		s["type"] = "integer"
		bounds("minimum", "maximum")
	case Number:
		s["type"] = "number"
		bounds("minimum", "maximum")
	case Text:
		s["type"] = "string"
		bounds("minLength", "maxLength")
		if f.Pattern != "" {
			s["pattern"] = f.Pattern
		}
	case Flag:
		s["type"] = "boolean"
	case Texts:
		s["type"], s["items"] = "array", map[string]any{"type": "string"}
	case Box:
		s["type"], s["minItems"], s["maxItems"] = "array", 4, 4
		s["items"] = map[string]any{"type": "integer", "minimum": 0, "maximum": 65535}
	case Group:
		s = describe(f.Fields, e, lang)
	case Items:
		s["type"], s["items"] = "array", describe(f.Fields, e, lang)
		bounds("minItems", "maxItems")
	}
	s["title"] = f.Words.in(lang)
	if len(f.Choices) > 0 {
		choices := make([]any, len(f.Choices))
		for i, c := range f.Choices {
			choices[i] = map[string]any{"const": c.Value, "title": c.Words.in(lang)}
		}
		s["oneOf"] = choices
	}
	if f.Unit != "" {
		s["x-unit"] = f.Unit
	}
	if f.Default != nil {
		s["default"] = f.Default
	}
	if !f.has(e, true) {
		s["readOnly"] = true
	}
	return s
}
