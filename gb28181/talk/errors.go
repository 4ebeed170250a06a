package talk

import (
	"errors"
	"fmt"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/play"
	"fengsui/media/rtp"
)

// Causes of a talk that does not begin, beside those of package gb28181.
var (
	ErrTaken    = errors.New("somebody speaks to this channel")       // a [*TakenError]
	ErrFull     = errors.New("too many talks at once")                //
	ErrDeclined = errors.New("device does not take the broadcast")    // Result ERROR, or a failure answer
	ErrMute     = errors.New("device did not answer the broadcast")   //
	ErrNoInvite = errors.New("device did not invite")                 // in time, though it agreed
	ErrOffer    = errors.New("device's offer cannot be used")         //
	ErrRejected = errors.New("device rejected the talk")              // a failure answer to our INVITE
	ErrNoAnswer = errors.New("device did not answer the talk")        //
	ErrAnswer   = errors.New("device's answer cannot be used")        //
	ErrNoACK    = errors.New("device did not acknowledge the answer") //
	ErrConnect  = errors.New("media connection for sound failed")     //
	ErrNoPort   = errors.New("no port for sound is free")             //
	ErrEdition  = errors.New("s=Talk is not in GB/T 28181-2022, which the device speaks")
	ErrGivenUp  = errors.New("the caller gave up") //
	ErrClosing  = errors.New("server is shutting down")
	ErrNoTalk   = errors.New("no such talk")
)

// TakenError says who speaks to a channel.
type TakenError struct {
	ID    string // of the talk
	By    string
	Since time.Time
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("%v: %s since %s (talk %s)", ErrTaken, e.By, e.Since.Format(time.RFC3339), e.ID)
}

func (e *TakenError) Unwrap() error { return ErrTaken }

// StartError is a talk that did not begin: how far it came, why, and what to try.
type StartError struct {
	Request Request
	Stages  []play.Stage
	Cause   error // wraps one of the sentinels above or of package gb28181
	Remedy  play.Words
}

func (e *StartError) Error() string {
	at := "start"
	if n := len(e.Stages); n > 0 {
		at = e.Stages[n-1].Name
	}
	return fmt.Sprintf("talk to %s/%s: %s: %v", e.Request.Device, e.Request.Channel, at, e.Cause)
}

func (e *StartError) Unwrap() error { return e.Cause }

// remedy is what a person can do about a cause.
func remedy(cause error) play.Words {
	switch {
	case errors.Is(cause, gb28181.ErrUnknownDevice):
		return play.Words{EN: "Check the device ID, or let the device register first.", ZH: "请核对设备编码，或先让设备注册。"}
	case errors.Is(cause, gb28181.ErrUnknownChannel):
		return play.Words{EN: "Check the channel ID, or ask the device for its catalog again.", ZH: "请核对通道编码，或重新查询设备目录。"}
	case errors.Is(cause, gb28181.ErrOffline):
		return play.Words{EN: "The device is not reachable: check its power and network, and its registration in the attempts list.", ZH: "设备不可达：请检查供电与网络，并在注册记录中查看原因。"}
	case errors.Is(cause, ErrTaken):
		return play.Words{EN: "Wait until the other talk ends, or end it: DELETE /api/v1/talks/{talk}.", ZH: "请等待对方结束，或通过 DELETE /api/v1/talks/{talk} 结束该对讲。"}
	case errors.Is(cause, ErrFull):
		return play.Words{EN: "End some talks: GET /api/v1/talks lists them.", ZH: "请结束部分对讲，可通过 GET /api/v1/talks 查看。"}
	case errors.Is(cause, ErrDeclined):
		return play.Words{EN: "The device refused: it has no loudspeaker, its audio output is off, or another platform is speaking to it. The trace has its words.", ZH: "设备拒绝：可能没有扬声器、音频输出未启用，或其他平台正在对讲。详见信令跟踪。"}
	case errors.Is(cause, ErrMute):
		return play.Words{EN: "The device does not answer to Broadcast: its firmware has perhaps none. Try way=talk, or look for a voice setting in the device's GB/T 28181 page.", ZH: "设备未应答语音广播：固件可能不支持。可尝试 way=talk，或在设备国标页面中开启语音对讲。"}
	case errors.Is(cause, ErrNoInvite):
		return play.Words{EN: "The device agreed and then did not call: check that its audio output is on and set to G.711A, and that its platform ID is ours.", ZH: "设备同意后未发起呼叫：请确认其音频输出已启用、编码为 G.711A，且平台编码正确。"}
	case errors.Is(cause, ErrOffer), errors.Is(cause, ErrAnswer):
		return play.Words{EN: "The device's SDP, shown in the stages, offers no G.711: set the audio coding of the camera to G.711A.", ZH: "设备 SDP（见步骤）中没有 G.711：请将设备音频编码设为 G.711A。"}
	case errors.Is(cause, ErrEdition):
		return play.Words{EN: "Leave way out to use Broadcast, or add edition=2016 if the device knows Talk all the same.", ZH: "请去掉 way 以使用语音广播；若设备实际支持 Talk，可加 edition=2016。"}
	case errors.Is(cause, ErrRejected):
		return play.Words{EN: "The device refused s=Talk, which few devices have: use way=broadcast.", ZH: "设备拒绝 s=Talk（支持的设备很少）：请使用 way=broadcast。"}
	case errors.Is(cause, ErrNoAnswer), errors.Is(cause, ErrNoACK):
		return play.Words{EN: "Nothing came back on the SIP path: check firewalls and NAT, or register the device over TCP.", ZH: "信令无应答：请检查信令路径上的防火墙与 NAT，或让设备以 TCP 注册。"}
	case errors.Is(cause, ErrConnect):
		return play.Words{EN: "The media connection did not come about: check that TCP to media.ports is open in the direction shown in the stages (media.advertise behind NAT), or set the device's audio to UDP.", ZH: "媒体连接未建立：请按步骤所示方向放通 media.ports 的 TCP 端口（NAT 后须设 media.advertise），或将设备语音改为 UDP。"}
	case errors.Is(cause, ErrNoPort), errors.Is(cause, rtp.ErrNoPort), errors.Is(cause, rtp.ErrNoSSRC):
		return play.Words{EN: "Widen media.ports, or end streams and talks.", ZH: "请扩大 media.ports，或结束部分码流与对讲。"}
	}
	return play.Words{EN: "Try again; the trace of this device shows the messages.", ZH: "请重试；可在该设备的信令跟踪中查看报文。"}
}

// behindNAT is the warning of a device that hears by UDP at an address that is not
// the one it speaks from.
var behindNAT = play.Words{
	EN: "The device is behind NAT and takes sound over UDP: it probably hears nothing. Set its audio to TCP, or talk with transport tcp-passive.",
	ZH: "设备位于 NAT 之后且以 UDP 接收语音，很可能听不到。请将设备语音改为 TCP，或使用 tcp-passive 对讲。",
}
