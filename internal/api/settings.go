package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181"
	"fengsui/gb28181/setting"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
)

// Settings is what the face asks of the configuration of devices;
// command.Commander has it.
type Settings interface {
	Settings(ctx context.Context, device, target gb28181.ID, types []*setting.Type, as gb28181.Edition) ([]setting.Setting, error)
	Configure(ctx context.Context, device, target gb28181.ID, list []setting.Setting, as gb28181.Edition) (answered bool, err error)
}

type configTypeView struct {
	Type       string         `json:"type" example:"BasicParam"`
	Title      string         `json:"title"`
	Since      string         `json:"since" doc:"first edition that has it"`
	Settable   bool           `json:"settable" doc:"false: it can only be read"`
	Unverified string         `json:"unverified,omitempty" doc:"what of it rests on no primary text"`
	Schema     map[string]any `json:"schema" doc:"JSON Schema of the values; readOnly fields cannot be set; x-order is the order of a form, x-unit a unit"`
}

type configTypesInput struct {
	Edition string `query:"edition" enum:"2016,2022" default:"2022" doc:"edition of the standard"`
}

type configTypesOutput struct {
	Body struct {
		Items []configTypeView `json:"items"`
		Total int              `json:"total"`
	}
}

// Target is a device, or one of its channels, and how to speak to it.
type Target struct {
	DevicePath
	Channel string `query:"channel" maxLength:"64" doc:"a channel of the device; absent = the device itself, which many devices want for all types"`
	SpeakAs
}

// ConfigPath names a config type of a device.
type ConfigPath struct {
	Target
	Type string `path:"type" maxLength:"64" doc:"BasicParam, OSDConfig …, as GET /api/v1/config-types lists them" example:"BasicParam"`
}

type configsInput struct {
	Target
	Types []string `query:"types" minItems:"1" maxItems:"12" required:"true" doc:"asked for in one question, separated by commas"`
}

type configView struct {
	Type   string         `json:"type"`
	Values map[string]any `json:"values" doc:"as the schema of the type says; what the device did not tell is absent"`
}

type configOutput struct{ Body configView }

type configsOutput struct {
	Body struct {
		Items   []configView `json:"items"`
		Total   int          `json:"total"`
		Missing []string     `json:"missing" doc:"types that the device did not tell"`
	}
}

type configInput struct {
	ConfigPath
	Body struct {
		Values map[string]any `json:"values" doc:"as the schema of the type says; optional fields that are absent are not sent"`
	}
}

type configuredOutput struct {
	Body struct {
		Type     string         `json:"type"`
		Values   map[string]any `json:"values" doc:"as they were sent"`
		Answered bool           `json:"answered" doc:"false: the device registered anew instead of answering, as some do when it is done"`
	}
}

func (s *Server) addSettings() {
	tags := []string{"configuration"}
	const all = "/api/v1/devices/{device}/config"
	op(s, access{member: true}, huma.Operation{OperationID: "list-config-types", Method: http.MethodGet, Path: "/api/v1/config-types", Tags: tags, Summary: "Config types of an edition with the schema of each"}, s.listConfigTypes)
	op(s, access{act: rights.Configure}, huma.Operation{OperationID: "get-configs", Method: http.MethodGet, Path: all, Tags: tags, Summary: "Ask a device for several config types"}, s.getConfigs)
	op(s, access{act: rights.Configure}, huma.Operation{OperationID: "get-config", Method: http.MethodGet, Path: all + "/{type}", Tags: tags, Summary: "Ask a device for a config type"}, s.getConfig)
	op(s, access{act: rights.Configure}, huma.Operation{OperationID: "put-config", Method: http.MethodPut, Path: all + "/{type}", Tags: tags, Summary: "Set a config type of a device",
		Description: "Values are checked before anything is sent. Returns when the device has answered, or has registered anew within 30 s. "}, s.putConfig)
}

func (s *Server) listConfigTypes(ctx context.Context, in *configTypesInput) (*configTypesOutput, error) {
	e, lang := gb28181.ParseEdition(in.Edition), callOf(ctx).lang
	out := &configTypesOutput{}
	out.Body.Items = []configTypeView{}
	for _, t := range setting.Types() {
		if e >= t.Since {
			schema := t.Describe(e, lang)
			title, _ := schema["title"].(string)
			out.Body.Items = append(out.Body.Items, configTypeView{
				Type: t.Name, Title: title, Since: t.Since.String(), Settable: t.Settable, Unverified: t.Unverified, Schema: schema,
			})
		}
	}
	out.Body.Total = len(out.Body.Items)
	return out, nil
}

// configured finds device and target of a path.
func (s *Server) configured(in Target) (device, target gb28181.ID, err error) {
	if s.svc.Settings == nil {
		return "", "", fault.New(fault.NotBuiltIn, "configuration of devices is off")
	}
	return s.target(in.Device, in.Channel)
}

// target finds a device and one of its channels, the device itself for "".
func (s *Server) target(device, channel string) (id, target gb28181.ID, err error) {
	d, err := s.device(device)
	if err != nil {
		return "", "", err
	}
	id, target = d.live.ID, gb28181.ID(channel)
	if channel == "" {
		return id, id, nil
	}
	// A camera whose catalog has not come yet may be its own channel.
	if _, ok := s.svc.Catalog.Channel(id, target); !ok && target != id {
		return "", "", fault.New(fault.UnknownChannel, "channel %s of device %s", channel, id)
	}
	return id, target, nil
}

func configTypes(names ...string) ([]*setting.Type, error) {
	list := make([]*setting.Type, len(names))
	for i, name := range names {
		t, ok := setting.Find(strings.TrimSpace(name))
		if !ok {
			return nil, fault.New(fault.UnknownConfigType, "config type %q", name)
		}
		list[i] = t
	}
	return list, nil
}

// settings asks a device for some types, in the order of their names.
func (s *Server) settings(ctx context.Context, of Target, names ...string) (types []*setting.Type, list []setting.Setting, err error) {
	if types, err = configTypes(names...); err != nil {
		return nil, nil, err
	}
	device, target, err := s.configured(of)
	if err != nil {
		return nil, nil, err
	}
	if list, err = s.svc.Settings.Settings(ctx, device, target, types, of.edition()); err != nil {
		return nil, nil, settingFault(err)
	}
	return types, list, nil
}

func (s *Server) getConfigs(ctx context.Context, in *configsInput) (*configsOutput, error) {
	types, list, err := s.settings(ctx, in.Target, in.Types...)
	if err != nil {
		return nil, err
	}
	out := &configsOutput{}
	out.Body.Items, out.Body.Missing = []configView{}, []string{}
	for _, t := range types {
		missing := true
		for _, c := range list {
			if c.Type == t {
				missing = false
				out.Body.Items = append(out.Body.Items, configView{t.Name, c.Values})
			}
		}
		if missing {
			out.Body.Missing = append(out.Body.Missing, t.Name)
		}
	}
	out.Body.Total = len(out.Body.Items)
	return out, nil
}

func (s *Server) getConfig(ctx context.Context, in *ConfigPath) (*configOutput, error) {
	_, list, err := s.settings(ctx, in.Target, in.Type)
	if err != nil {
		return nil, err
	}
	return &configOutput{configView{list[0].Type.Name, list[0].Values}}, nil
}

func (s *Server) putConfig(ctx context.Context, in *configInput) (*configuredOutput, error) {
	types, err := configTypes(in.Type)
	if err != nil {
		return nil, err
	}
	device, target, err := s.configured(in.Target)
	if err != nil {
		return nil, err
	}
	e := in.edition()
	if d, _ := s.svc.Devices.Device(device); e == gb28181.EditionUnknown {
		e = d.Edition
	}
	values, err := types[0].Check(in.Body.Values, e)
	if err != nil {
		return nil, settingFault(err)
	}
	out := &configuredOutput{}
	out.Body.Type, out.Body.Values = types[0].Name, values
	out.Body.Answered, err = s.svc.Settings.Configure(ctx, device, target, []setting.Setting{{Type: types[0], Values: values}}, e)
	if err != nil {
		return nil, settingFault(err)
	}
	return out, nil
}

// settingFault names values that an edition cannot carry.
func settingFault(err error) error {
	var invalid setting.Invalid
	if !errors.As(err, &invalid) {
		return err
	}
	f := fault.Wrap(fault.OutOfRange, invalid)
	for _, v := range invalid {
		f.Fields = append(f.Fields, fault.Field{Location: "body.values." + v.Field, Message: "want " + v.Want, Value: plain(v.Field, v.Value)})
	}
	return f
}
