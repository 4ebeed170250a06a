package play

import (
	"errors"
	"fmt"

	"fengsui/gb28181"
)

// Causes of a failed start, beside those of package gb28181.
var (
	ErrBusy       = errors.New("device has no free stream")         // 486
	ErrRejected   = errors.New("device rejected the INVITE")        // any other failure answer
	ErrNoAnswer   = errors.New("device did not answer the INVITE")  // no final answer in time
	ErrBadAnswer  = errors.New("device's answer cannot be used")    // SDP refused or unreadable
	ErrConnect    = errors.New("media connection failed")           // TCP active
	ErrNoPacket   = errors.New("no media packet arrived")           //
	ErrNoKeyFrame = errors.New("media arrived but no key frame")    //
	ErrNoReceiver = errors.New("no receiver could be opened")       // ports or SSRCs exhausted
	ErrGivenUp    = errors.New("the caller gave up")                //
	ErrClosing    = errors.New("server is shutting down")           //
	ErrNoSession  = errors.New("no such stream")                    //
	ErrNotLive    = errors.New("channel cannot send live pictures") // not an invitable type

	ErrNoRecording = errors.New("device rejected the INVITE for a recording") // any failure answer but 486
	ErrNoSlot      = errors.New("device plays no more recordings at a time")  // a [*SlotError]
	ErrRange       = errors.New("bad range of a recording")
	ErrSpeed       = errors.New("bad speed of a download")
)

// errStopped ends a session by [Coordinator.Stop].
var errStopped = errors.New("stopped by a caller")

// Causes of a playback's refused control.
var (
	ErrNotPlayback = errors.New("only a playback can be controlled")
	ErrScale       = errors.New("bad speed of a playback")
	ErrBackwards   = errors.New("the device's edition of the standard has no reverse play")
	ErrPlace       = errors.New("place outside of the recording")
	ErrNoControl   = errors.New("device has no playback control")    // answered 405, 415 or 501
	ErrUnwilling   = errors.New("device refused to change playback") // any other failure answer
)

// StartError is a start that failed: how far it came, why, and what to try.
type StartError struct {
	Request Request
	Stages  []Stage
	Cause   error // wraps one of the sentinels above or of package gb28181
	Remedy  Words
}

func (e *StartError) Error() string {
	at := "start"
	if n := len(e.Stages); n > 0 {
		at = e.Stages[n-1].Name
	}
	return fmt.Sprintf("play %s/%s: %s: %v", e.Request.Device, e.Request.Channel, at, e.Cause)
}

func (e *StartError) Unwrap() error { return e.Cause }

// Words are a sentence in both languages of the product.
type Words struct{ EN, ZH string }

// remedy is what a person can do about a cause, given what is known of the start.
func remedy(cause error, f facts) Words {
	switch {
	case errors.Is(cause, gb28181.ErrUnknownDevice):
		return Words{"Check the device ID, or let the device register first.", "请核对设备编码，或先让设备注册。"}
	case errors.Is(cause, gb28181.ErrUnknownChannel):
		return Words{"Check the channel ID, or ask the device for its catalog again.", "请核对通道编码，或重新查询设备目录。"}
	case errors.Is(cause, gb28181.ErrOffline):
		return Words{"The device is not reachable: check its power and network, and its registration in the attempts list.", "设备不可达：请检查供电与网络，并在注册记录中查看原因。"}
	case errors.Is(cause, ErrNoSlot):
		return Words{"End one of the named streams, or wait for its end; play.slots says how many a device may have.", "请结束所列码流之一或等待其结束；每台设备的路数上限由 play.slots 配置。"}
	case errors.Is(cause, ErrNoRecording):
		return Words{"Ask for the channel's records of that time: the device has perhaps none, or plays none while another platform does.", "请先查询该时段的录像：设备可能没有录像，或正被其他平台回放。"}
	case errors.Is(cause, ErrRange):
		return Words{"Give start and end of the past, start before end, at most 24 hours apart.", "请提供过去的起止时间，开始早于结束，跨度不超过 24 小时。"}
	case errors.Is(cause, ErrSpeed):
		return Words{"Choose a speed of 1 to 8.", "请选择 1 到 8 的倍速。"}
	case errors.Is(cause, ErrBusy):
		return Words{"The device has reached its stream limit: close another viewer or platform on it, or use the sub stream.", "设备的码流路数已满：请关闭其他平台或客户端的取流，或改用子码流。"}
	case f.off && (errors.Is(cause, ErrRejected) || errors.Is(cause, ErrNoPacket) || errors.Is(cause, ErrNoKeyFrame)):
		return Words{"The device's catalog says that this channel is off: check the power and network of the camera behind it, and its video input.", "设备目录显示该通道离线：请检查该通道所接摄像机的供电、网络及视频输入。"}
	case errors.Is(cause, ErrRejected):
		return Words{"The device refused the offer shown in the stages: check the channel ID in the device's own GB/T 28181 page, and its platform ID setting.", "设备拒绝了步骤中所示的邀请：请核对设备国标配置页中的通道编码和平台编码。"}
	case errors.Is(cause, ErrNoAnswer):
		return Words{"The INVITE was sent to " + f.remote + " and nothing came back: check firewalls and NAT on the SIP path, or register the device over TCP.", "INVITE 已发往 " + f.remote + "，但没有应答：请检查信令路径上的防火墙与 NAT，或让设备以 TCP 注册。"}
	case errors.Is(cause, ErrConnect):
		return Words{"The device said that it listens for media but does not accept the connection: try tcp-passive or udp.", "设备声明监听媒体连接但无法连上：请改用 tcp-passive 或 udp。"}
	case errors.Is(cause, ErrNoPacket) && f.attempt > 1:
		return Words{"The device agreed twice, but nothing reached " + f.receiver + ", neither over UDP nor over TCP: check that the device can reach this address (media.advertise behind NAT), and that it encodes at all.", "设备两次应答，但 " + f.receiver + " 经 UDP 与 TCP 均未收到媒体：请确认设备可到达该地址（NAT 后须设 media.advertise），并检查设备编码是否正常。"}
	case errors.Is(cause, ErrNoPacket) && f.transport == "udp":
		return Words{"The device agreed but no packet reached " + f.receiver + ": check that the device can reach this address over UDP (media.advertise behind NAT), or play over tcp-passive.", "设备已应答，但 " + f.receiver + " 未收到数据包：请确认设备可经 UDP 到达该地址（NAT 后须设 media.advertise），或改用 tcp-passive。"}
	case errors.Is(cause, ErrNoPacket):
		return Words{"The device agreed but did not connect to " + f.receiver + ", or sent nothing there: check that TCP to this address is open (media.advertise behind NAT), or play over udp.", "设备已应答，但未连接 " + f.receiver + " 或连接后未发送数据：请确认该地址的 TCP 端口可达（NAT 后须设 media.advertise），或改用 udp。"}
	case errors.Is(cause, ErrNoKeyFrame):
		return Words{"Packets arrive but no key frame could be read: set the camera to H.264 or H.265, a key frame interval of 2 s or less, and switch stream encryption off.", "已收到数据包，但没有可解析的关键帧：请将设备编码设为 H.264 或 H.265，关键帧间隔不超过 2 秒，并关闭码流加密。"}
	case errors.Is(cause, ErrBadAnswer):
		return Words{"The device's SDP answer, shown in the stages, refuses the stream: check its media settings or try another transport.", "设备的 SDP 应答（见步骤）不可用：请检查设备媒体设置或更换传输方式。"}
	case errors.Is(cause, ErrNoReceiver):
		return Words{"All receive ports or SSRCs are in use: widen media.ports, or end idle streams.", "收流端口或 SSRC 已用尽：请扩大 media.ports 或关闭空闲码流。"}
	case errors.Is(cause, ErrNotLive):
		return Words{"Only channels of type 131 or 132 send pictures; choose such a channel.", "只有类型码为 131 或 132 的通道有图像，请选择此类通道。"}
	}
	return Words{"Try again; the trace of this device shows the messages.", "请重试；可在该设备的信令跟踪中查看报文。"}
}

// facts are what a remedy may name.
type facts struct {
	remote, receiver, transport string

	attempt int  // from 1
	off     bool // the channel, by its catalog
}
