package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181/manscdp"
	"fengsui/internal/rights"
)

type dutyView struct {
	Channel string `json:"channel" doc:"alarm input"`
	State   string `json:"state" doc:"ONDUTY, OFFDUTY or ALARM"`
}

type conditionOutput struct {
	Body struct {
		Online     bool       `json:"online"`
		Works      bool       `json:"works"`
		Reason     string     `json:"reason,omitempty" doc:"why it does not"`
		Encoding   string     `json:"encoding,omitempty" doc:"ON or OFF"`
		Recording  string     `json:"recording,omitempty" doc:"ON or OFF"`
		DeviceTime string     `json:"device_time,omitempty" doc:"by the device's clock, as it writes it"`
		Alarms     []dutyView `json:"alarms" doc:"alarm inputs that it tells of"`
		ExtraInfo  []string   `json:"extra_info,omitempty" doc:"of the maker"`
	}
}

type askedPosition struct {
	Channel   string   `json:"channel,omitempty" doc:"absent = of the device as a whole"`
	Time      string   `json:"time" doc:"by the device's clock, as it writes it"`
	Longitude float64  `json:"longitude" doc:"degrees, WGS-84"`
	Latitude  float64  `json:"latitude"`
	Speed     *float64 `json:"speed,omitempty" doc:"km/h"`
	Direction *float64 `json:"direction,omitempty" doc:"degrees clockwise from north"`
	Altitude  *float64 `json:"altitude,omitempty" doc:"metres"`
	Height    *float64 `json:"height,omitempty" doc:"metres above ground"`
}

type askedPositions struct {
	Body struct {
		Items []askedPosition `json:"items"`
		Total int             `json:"total"`
	}
}

type alarmQueryInput struct {
	Target
	Body struct {
		StartPriority int       `json:"start_priority,omitempty" doc:"1 (highest) to 4"`
		EndPriority   int       `json:"end_priority,omitempty" doc:"1 to 4"`
		Methods       []int     `json:"methods,omitempty" maxItems:"8" doc:"1 telephone, 2 device, 3 SMS, 4 GPS, 5 video, 6 fault, 7 other"`
		Types         []int     `json:"types,omitempty" maxItems:"64" doc:"of these methods; from 2016 on"`
		Since         time.Time `json:"since,omitzero"`
		Until         time.Time `json:"until,omitzero"`
	}
}

func (s *Server) addConditions() {
	const path = "/api/v1/devices/{device}"
	tags := []string{"devices"}
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "get-condition", Method: http.MethodGet, Path: path + "/condition", Tags: tags,
		Summary: "How a device is, asked of it now", Description: "Whether it records, and its alarm inputs (DeviceStatus). "}, s.getCondition)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "ask-position", Method: http.MethodGet, Path: path + "/position", Tags: tags,
		Summary: "Where a device is, asked of it now", Description: "It is kept as those that are reported by themselves. "}, s.askPosition)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "ask-alarms", Method: http.MethodPost, Path: path + "/alarm_query", Tags: tags,
		Summary: "Have a device report its alarms of a time again", Description: "They come as those that it raises: GET /api/v1/alarms. Many devices do nothing. "}, s.askAlarms)
}

func (s *Server) getCondition(ctx context.Context, in *Target) (*conditionOutput, error) {
	device, target, err := s.targeted(*in)
	if err != nil {
		return nil, err
	}
	st, err := s.svc.Commands.Status(ctx, device, target)
	if err != nil {
		return nil, err
	}
	out := &conditionOutput{}
	b := &out.Body
	b.Online, b.Works, b.Reason, b.Encoding, b.Recording, b.DeviceTime, b.ExtraInfo = st.Online, st.Works, st.Reason, st.Encode, st.Record, st.Time, st.ExtraInfo
	b.Alarms = make([]dutyView, 0, len(st.Alarms))
	for _, a := range st.Alarms {
		b.Alarms = append(b.Alarms, dutyView{string(a.DeviceID), a.Status})
	}
	return out, nil
}

func (s *Server) askPosition(ctx context.Context, in *Target) (*askedPositions, error) {
	device, target, err := s.targeted(*in)
	if err != nil {
		return nil, err
	}
	n, err := s.svc.Commands.Position(ctx, device, target, in.edition())
	if err != nil {
		return nil, err
	}
	out := &askedPositions{}
	out.Body.Items, out.Body.Total = make([]askedPosition, 0, len(n.Positions)), len(n.Positions)
	for _, p := range n.Positions {
		channel := string(p.DeviceID)
		if p.DeviceID == device {
			channel = ""
		}
		out.Body.Items = append(out.Body.Items, askedPosition{channel, p.Time, p.Longitude, p.Latitude, p.Speed, p.Direction, p.Altitude, p.Height})
	}
	return out, nil
}

func (s *Server) askAlarms(ctx context.Context, in *alarmQueryInput) (*outcomeOutput, error) {
	device, target, err := s.targeted(in.Target)
	if err != nil {
		return nil, err
	}
	b := &in.Body
	q := manscdp.AlarmQuery{DeviceID: target, StartPriority: b.StartPriority, EndPriority: b.EndPriority, Methods: b.Methods, Types: b.Types,
		Start: s.local(b.Since), End: s.local(b.Until)}
	o, err := s.svc.Commands.Alarms(ctx, device, q, in.edition())
	if err != nil {
		return nil, err
	}
	return outcomeOf(o), nil
}

// local is a time as devices are told it, "" for the zero time.
func (s *Server) local(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(s.cfg.Zone).Format("2006-01-02T15:04:05")
}
