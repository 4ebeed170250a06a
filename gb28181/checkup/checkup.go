package checkup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/setting"
	"fengsui/shadow"
)

// Picture is what a play showed.
type Picture struct {
	Codec       string
	First       time.Duration // until the first key frame
	KeyInterval time.Duration // between two; 0 = not seen
	Lost        float64       // share of packets, 0 to 1
}

// Hands are what a check-up does things with. An error of them is
// gb28181.ErrRefused or manscdp.ErrEdition for what the device has not,
// gb28181.ErrTimeout for silence, or any other.
type Hands interface {
	Device(id gb28181.ID) (gb28181.Device, bool)
	Channels(id gb28181.ID) []gb28181.Channel
	Ask(ctx context.Context, id gb28181.ID, cmd string) (*manscdp.Message, error)
	Catalog(ctx context.Context, id gb28181.ID) (gb28181.Completeness, error)
	Records(ctx context.Context, device, channel gb28181.ID, from, to time.Time) (n int, complete bool, err error)
	Presets(ctx context.Context, device, channel gb28181.ID) (n int, complete bool, err error)
	Setting(ctx context.Context, device gb28181.ID, t *setting.Type) error
	Picture(ctx context.Context, device, channel gb28181.ID, transport string) (Picture, error)
	// Subscribed is the state of a subscription, active or not, and why.
	Subscribed(device gb28181.ID, kind string) (active bool, reason string)
	// Turn moves a camera for a moment and stops it.
	Turn(ctx context.Context, device, channel gb28181.ID) error
	// Messages are those of the device since a time.
	Messages(device gb28181.ID, since time.Time) []Message
	// Zone is that of the device's times.
	Zone(id gb28181.ID) *time.Location
}

// Options say what a check-up may do.
type Options struct {
	Act      bool          // turns a camera and stops it; else nothing is changed
	Interval time.Duration // of keepalives; default 60 s
}

// What is still fine.
const (
	clockFine  = 5 * time.Second
	keyFine    = 4 * time.Second
	lossFine   = 0.02
	mostTraced = 200 // messages of a step
)

// run is one check-up.
type run struct {
	hands  Hands
	dev    gb28181.Device
	camera gb28181.ID // of which pictures are asked; "" = there is none
	turns  gb28181.ID // one that can be turned
	beat   time.Duration
}

// finding is what a check saw.
type finding struct {
	verdict Verdict
	detail  Text
}

func found(v Verdict, en, zh string, args ...any) finding {
	return finding{v, Text{fmt.Sprintf(en, args...), fmt.Sprintf(zh, args...)}}
}

// wrong judges an error of hands. must says that the device has to have it.
func wrong(err error, must bool) finding {
	var edition manscdp.ErrEdition
	switch {
	case errors.As(err, &edition):
		return found(Unsupported, "its edition has not that", "该版本没有此项")
	case errors.Is(err, gb28181.ErrRefused) && !must, errors.Is(err, gb28181.ErrTimeout) && !must:
		return found(Unsupported, "%v", "%v", err)
	}
	return found(Fail, "%v", "%v", err)
}

type check struct {
	name   string
	title  Text
	clause string
	do     func(context.Context, *run) finding
}

// Run checks a device. It reports gb28181.ErrUnknownDevice and gb28181.ErrOffline;
// what the device does wrong is in the report. It ends with ctx, without one.
func Run(ctx context.Context, h Hands, id gb28181.ID, o Options) (*Report, error) {
	d, ok := h.Device(id)
	if !ok {
		return nil, fmt.Errorf("%w: %s", gb28181.ErrUnknownDevice, id)
	}
	if d.Presence.State == shadow.Offline {
		return nil, fmt.Errorf("%w: %s: %s", gb28181.ErrOffline, id, d.Presence.Reason)
	}
	r := &run{hands: h, dev: d, beat: o.Interval}
	if r.beat <= 0 {
		r.beat = time.Minute
	}
	report := &Report{Device: string(id), StartedAt: time.Now()}
	for _, c := range checks(d.Edition.Effective(), o) {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("check %s: %w", id, err)
		}
		since := time.Now()
		f := c.do(ctx, r)
		s := Step{Name: c.name, Title: c.title, Clause: c.clause, Verdict: f.verdict, Detail: f.detail, TookMS: time.Since(since).Milliseconds()}
		s.Messages = h.Messages(id, since)
		s.Messages = s.Messages[:min(len(s.Messages), mostTraced)]
		report.Steps = append(report.Steps, s)
	}
	d, _ = h.Device(id) // what it said of itself
	report.Manufacturer, report.Model, report.Firmware, report.Edition = d.Manufacturer, d.Model, d.Firmware, d.Edition.Effective().String()
	report.TookMS = time.Since(report.StartedAt).Milliseconds()
	report.count()
	return report, nil
}

func checks(e gb28181.Edition, o Options) []check {
	list := []check{
		{"registration", Text{"Registration", "注册"}, "9.1", registration},
		{"keepalive", Text{"Keepalive", "心跳"}, "9.6", keepalive},
		{"catalog", Text{"Catalog", "目录查询"}, "9.5, A.2.4.3", catalog},
		{"device_info", Text{"DeviceInfo", "设备信息查询"}, "9.5, A.2.4.4", deviceInfo},
		{"device_status", Text{"DeviceStatus", "设备状态查询"}, "9.5, A.2.4.2", deviceStatus},
		{"clock", Text{"Clock", "校时"}, "9.10", clock},
		{"records", Text{"RecordInfo of the last day", "录像查询（最近一天）"}, "9.7, A.2.4.5", records},
		{"presets", Text{"PresetQuery", "预置位查询"}, "9.5, A.2.4.8", presets},
	}
	for _, t := range setting.Types() {
		if t.Since > e {
			continue
		}
		list = append(list, check{"config." + t.Name, Text{"ConfigDownload of " + t.Name, "配置查询 " + t.Name}, "9.5, A.2.4.7",
			func(ctx context.Context, r *run) finding { return config(ctx, r, t) }})
	}
	for _, transport := range []string{"udp", "tcp-passive"} {
		list = append(list, check{"live." + transport, Text{"Live picture over " + transport, "实时点播 " + transport}, "9.2, Annex C",
			func(ctx context.Context, r *run) finding { return live(ctx, r, transport) }})
	}
	for _, kind := range []string{"catalog", "alarm", "position"} {
		list = append(list, check{"subscription." + kind, Text{"Subscription to " + kind, "订阅 " + kind}, "9.11",
			func(_ context.Context, r *run) finding { return subscription(r, kind) }})
	}
	if o.Act {
		list = append(list, check{"ptz", Text{"PTZ: turn and stop", "云台转动与停止"}, "9.3, A.3", turn})
	}
	return list
}

func registration(_ context.Context, r *run) finding {
	d := &r.dev
	left := time.Until(d.ExpiresAt).Round(time.Second)
	if left <= 0 {
		return found(Fail, "expired %v ago", "已过期 %v", -left)
	}
	return found(Pass, "%v ago over %s, ends in %v", "%v 前通过 %s 注册，剩余 %v", time.Since(d.RegisteredAt).Round(time.Second), d.Transport, left)
}

func keepalive(_ context.Context, r *run) finding {
	if since := time.Since(r.dev.RegisteredAt).Round(time.Second); r.dev.KeepaliveAt.IsZero() {
		if since <= r.beat*3/2 {
			return found(Skipped, "it registered only %v ago; want one each %v", "注册仅 %v，心跳应为每 %v 一次", since, r.beat)
		}
		return found(Fail, "none since it registered %v ago", "注册 %v 以来没有心跳", since)
	}
	age := time.Since(r.dev.KeepaliveAt).Round(time.Second)
	if age > r.beat*3/2 {
		return found(Fail, "the last one %v ago; want one each %v", "上次心跳在 %v 前，应为每 %v 一次", age, r.beat)
	}
	return found(Pass, "the last one %v ago", "上次心跳在 %v 前", age)
}

func catalog(ctx context.Context, r *run) finding {
	c, err := r.hands.Catalog(ctx, r.dev.ID)
	if err != nil {
		return wrong(err, true)
	}
	for _, ch := range r.hands.Channels(r.dev.ID) {
		if ch.Invitable() && (r.camera == "" || ch.On) {
			if r.camera == "" {
				r.camera = ch.ID
			}
			if r.turns == "" && (ch.PTZType == 1 || ch.PTZType == 2 || ch.PTZType == 4 || ch.PTZType == 5) {
				r.turns = ch.ID
			}
		}
	}
	switch {
	case !c.Complete:
		return found(Fail, "%d of %d items came", "收到 %d 项，共 %d 项", c.Received, c.Expected)
	case c.Skipped > 0:
		return found(Fail, "%d items, and %d that cannot be read", "%d 项，另有 %d 项无法解析", c.Received, c.Skipped)
	}
	return found(Pass, "%d items, all that were announced", "%d 项，与声明一致", c.Received)
}

func deviceInfo(ctx context.Context, r *run) finding {
	m, err := r.hands.Ask(ctx, r.dev.ID, manscdp.CmdDeviceInfo)
	if err != nil {
		return wrong(err, true)
	}
	i, err := m.AsDeviceInfo()
	switch {
	case err != nil:
		return wrong(err, true)
	case i.Manufacturer == "" || i.Model == "":
		return found(Fail, "Manufacturer %q, Model %q: one is missing", "Manufacturer %q，Model %q：缺少必填项", i.Manufacturer, i.Model)
	}
	return found(Pass, "%s %s %s", "%s %s %s", i.Manufacturer, i.Model, i.Firmware)
}

func (r *run) status(ctx context.Context) (manscdp.DeviceStatus, error) {
	m, err := r.hands.Ask(ctx, r.dev.ID, manscdp.CmdDeviceStatus)
	if err != nil {
		return manscdp.DeviceStatus{}, err
	}
	return m.AsDeviceStatus()
}

func deviceStatus(ctx context.Context, r *run) finding {
	st, err := r.status(ctx)
	switch {
	case err != nil:
		return wrong(err, true)
	case !st.Online || !st.Works:
		return found(Fail, "online %v, works %v: %s", "在线 %v，正常 %v：%s", st.Online, st.Works, st.Reason)
	}
	return found(Pass, "online and works", "在线且工作正常")
}

func clock(ctx context.Context, r *run) finding {
	st, err := r.status(ctx)
	if err != nil {
		return found(Skipped, "no DeviceStatus: %v", "没有设备状态：%v", err)
	}
	if st.Time == "" {
		return found(Skipped, "it says no DeviceTime", "没有 DeviceTime")
	}
	at, ok := manscdp.ParseTime(st.Time, r.hands.Zone(r.dev.ID))
	if !ok {
		return found(Fail, "DeviceTime %q is no time", "DeviceTime %q 无法解析", st.Time)
	}
	off := time.Until(at).Round(time.Second)
	switch {
	case off.Abs() <= clockFine:
		return found(Pass, "%v from ours", "与本机相差 %v", off)
	case (off.Abs() - 8*time.Hour).Abs() <= time.Minute:
		return found(Fail, "%v from ours: it tells UTC; give it the quirk utc-time, or set its zone", "与本机相差 %v：使用了 UTC，请设置 utc-time 或设备时区", off)
	}
	return found(Fail, "%v from ours", "与本机相差 %v", off)
}

var noCamera = found(Skipped, "no channel sends pictures", "没有可点播的通道")

func records(ctx context.Context, r *run) finding {
	if r.camera == "" {
		return noCamera
	}
	now := time.Now()
	n, complete, err := r.hands.Records(ctx, r.dev.ID, r.camera, now.Add(-24*time.Hour), now)
	switch {
	case err != nil:
		return wrong(err, false)
	case !complete:
		return found(Fail, "%d came, some that were announced did not", "收到 %d 条，少于声明", n)
	}
	return found(Pass, "%d recordings", "%d 条录像", n)
}

func presets(ctx context.Context, r *run) finding {
	if r.camera == "" {
		return noCamera
	}
	n, complete, err := r.hands.Presets(ctx, r.dev.ID, r.camera)
	switch {
	case err != nil:
		return wrong(err, false)
	case !complete:
		return found(Fail, "%d came, some that were announced did not", "收到 %d 个，少于声明", n)
	}
	return found(Pass, "%d presets", "%d 个预置位", n)
}

func config(ctx context.Context, r *run, t *setting.Type) finding {
	if err := r.hands.Setting(ctx, r.dev.ID, t); err != nil {
		return wrong(err, false)
	}
	return found(Pass, "answered", "已应答")
}

func live(ctx context.Context, r *run, transport string) finding {
	if r.camera == "" {
		return noCamera
	}
	p, err := r.hands.Picture(ctx, r.dev.ID, r.camera, transport)
	switch {
	case err != nil:
		return wrong(err, transport == "udp")
	case p.Lost > lossFine:
		return found(Fail, "%s, %.1f %% of the packets are lost", "%s，丢包 %.1f %%", p.Codec, 100*p.Lost)
	case p.KeyInterval > keyFine:
		return found(Fail, "%s, a key frame each %v: viewers wait that long; set 2 s or less", "%s，关键帧间隔 %v，请设为 2 秒以内", p.Codec, p.KeyInterval.Round(10*time.Millisecond))
	}
	return found(Pass, "%s, first key frame after %v, then each %v", "%s，首个关键帧 %v，间隔 %v", p.Codec, p.First.Round(time.Millisecond), p.KeyInterval.Round(10*time.Millisecond))
}

func subscription(r *run, kind string) finding {
	active, reason := r.hands.Subscribed(r.dev.ID, kind)
	switch {
	case active:
		return found(Pass, "active", "有效")
	case reason == "":
		return found(Skipped, "not subscribed", "未订阅")
	}
	return found(Unsupported, "%s", "%s", reason)
}

func turn(ctx context.Context, r *run) finding {
	id := r.turns
	if id == "" {
		id = r.camera
	}
	if id == "" {
		return noCamera
	}
	if err := r.hands.Turn(ctx, r.dev.ID, id); err != nil {
		return wrong(err, false)
	}
	return found(Pass, "took the movement and the stop", "已接受转动与停止")
}
