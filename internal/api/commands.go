package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181/manscdp"
	"fengsui/internal/rights"
)

// Rectangle is a part of a player's window.
type Rectangle struct {
	WindowWidth  int `json:"window_width" doc:"of the player's window, pixels"`
	WindowHeight int `json:"window_height"`
	X            int `json:"x" doc:"centre of the rectangle, from the left"`
	Y            int `json:"y" doc:"from the top"`
	Width        int `json:"width" doc:"of the rectangle"`
	Height       int `json:"height"`
}

func (r Rectangle) spoken() manscdp.Rectangle {
	return manscdp.Rectangle{Length: r.WindowWidth, Width: r.WindowHeight, MidPointX: r.X, MidPointY: r.Y, LengthX: r.Width, LengthY: r.Height}
}

// CommandBody is a command with all that one of them takes.
type CommandBody struct {
	Command  string     `json:"command" enum:"TeleBoot,RecordCmd,GuardCmd,AlarmCmd,IFameCmd,DragZoomIn,DragZoomOut,HomePosition,PTZPreciseCtrl,FormatSDCard,TargetTrack" doc:"element of DeviceControl. What is a way to look at or change one thing has a route of its own too"`
	Channel  string     `json:"channel,omitempty" maxLength:"64" doc:"absent = the device itself, as TeleBoot, GuardCmd and AlarmCmd are mostly told"`
	On       bool       `json:"on,omitempty" doc:"RecordCmd: record or stop; GuardCmd: arm or disarm; HomePosition: enabled"`
	Stream   int        `json:"stream,omitempty" doc:"RecordCmd, 2022: 0 main, 1 the first sub-stream …"`
	Methods  []int      `json:"methods,omitempty" maxItems:"8" doc:"AlarmCmd, from 2016 on: of the alarms to end; absent = all"`
	Types    []int      `json:"types,omitempty" maxItems:"64" doc:"AlarmCmd, from 2016 on: of these methods"`
	Spelling string     `json:"spelling,omitempty" enum:"edition,IFameCmd,IFrameCmd" doc:"IFameCmd: which of its names is sent; edition = IFameCmd, and to devices of 2022 both"`
	Area     *Rectangle `json:"area,omitempty" doc:"DragZoomIn, DragZoomOut, TargetTrack Manual"`
	Mode     string     `json:"mode,omitempty" enum:"Auto,Manual,Stop" doc:"TargetTrack"`
	Panorama string     `json:"panorama,omitempty" maxLength:"64" doc:"TargetTrack: the panoramic channel"`
	Reset    *int       `json:"reset_seconds,omitempty" doc:"HomePosition"`
	Preset   *int       `json:"preset,omitempty" doc:"HomePosition"`
	Pan      *float64   `json:"pan,omitempty" doc:"PTZPreciseCtrl, degrees"`
	Tilt     *float64   `json:"tilt,omitempty" doc:"PTZPreciseCtrl, degrees"`
	Zoom     *float64   `json:"zoom,omitempty" doc:"PTZPreciseCtrl"`
	Card     int        `json:"card,omitempty" doc:"FormatSDCard: from 1; 0 = all"`
}

type commandInput struct {
	DevicePath
	SpeakAs
	Body CommandBody
}

func (s *Server) addCommands() {
	op(s, access{act: rights.Look}, huma.Operation{OperationID: "command", Method: http.MethodPost, Path: "/api/v1/devices/{device}/commands", Tags: []string{"control"},
		Summary:     "Give a device a command by its name",
		Description: "TeleBoot and FormatSDCard need the right to configure, the others that to ptz, at the channel or device that is told. Values are checked before anything is sent. "}, s.command)
}

func (s *Server) command(ctx context.Context, in *commandInput) (*outcomeOutput, error) {
	device, target, err := s.targeted(Target{DevicePath: in.DevicePath, Channel: in.Body.Channel})
	if err != nil {
		return nil, err
	}
	callOf(ctx).target = in.Body.Command + " " + string(target)
	act := rights.PTZ
	if in.Body.Command == "TeleBoot" || in.Body.Command == "FormatSDCard" {
		act = rights.Configure
	}
	if err := s.may(callOf(ctx).who, act, device, gbID(in.Body.Channel)); err != nil {
		return nil, err
	}
	o, err := s.svc.Commands.Control(ctx, device, target, in.Body.spoken(), in.edition())
	if err != nil {
		return nil, err
	}
	return outcomeOf(o), nil
}

// spoken is the command as it is sent, which checks it.
func (b *CommandBody) spoken() manscdp.Command {
	var area manscdp.Rectangle
	if b.Area != nil {
		area = b.Area.spoken()
	}
	switch b.Command {
	case "TeleBoot":
		return manscdp.TeleBoot{}
	case "RecordCmd":
		return manscdp.RecordCmd{Start: b.On, Stream: b.Stream}
	case "GuardCmd":
		return manscdp.GuardCmd{Set: b.On}
	case "AlarmCmd":
		return manscdp.AlarmCmd{Methods: b.Methods, Types: b.Types}
	case "IFameCmd":
		spelling := map[string]manscdp.Spelling{"IFameCmd": manscdp.SpellingIFame, "IFrameCmd": manscdp.SpellingIFrame}[b.Spelling]
		return manscdp.KeyFrame{Spelling: spelling}
	case "DragZoomIn", "DragZoomOut":
		return manscdp.DragZoom{Out: b.Command == "DragZoomOut", Rectangle: area}
	case "HomePosition":
		return manscdp.HomePosition{Enabled: b.On, ResetTime: b.Reset, PresetIndex: b.Preset}
	case "PTZPreciseCtrl":
		return manscdp.PTZPreciseCtrl{Pan: b.Pan, Tilt: b.Tilt, Zoom: b.Zoom}
	case "FormatSDCard":
		return manscdp.FormatSDCard{Card: b.Card}
	}
	t := manscdp.TargetTrack{Mode: b.Mode, Panorama: gbID(b.Panorama)}
	if b.Area != nil {
		t.Area = &area
	}
	return t
}
