package setting

import (
	"strings"

	"fengsui/gb28181"
	"fengsui/shadow"
)

// Type is one config type.
type Type struct {
	Name       string // ConfigType and element
	Words      Words
	Since      gb28181.Edition
	Settable   bool // a DeviceConfig may hold it
	Fields     []Field
	Unverified string // what of it rests on no primary text

	names []string // under which it is read too
}

// Types lists the config types in the order of the standard.
func Types() []*Type { return types }

// Find gives the type of a name, in any case.
func Find(name string) (*Type, bool) {
	for _, t := range types {
		if strings.EqualFold(t.Name, name) {
			return t, true
		}
	}
	return nil, false
}

// Shorthands for the tables below.
const (
	year11 = gb28181.Edition2011A
	year16 = gb28181.Edition2016
	year22 = gb28181.Edition2022
)

func field(kind Kind, name, en, zh string, with ...func(*Field)) Field {
	f := Field{Name: name, Key: snake(name), Kind: kind, Words: Words{en, zh}}
	for _, change := range with {
		change(&f)
	}
	return f
}

func must(f *Field)     { f.Must = true }
func readOnly(f *Field) { f.ReadOnly = true }
func key(k string) func(*Field) {
	return func(f *Field) { f.Key = k }
}
func within(low, high int) func(*Field) {
	return func(f *Field) { f.Min, f.Max = low, high }
}
func unit(u string) func(*Field) {
	return func(f *Field) { f.Unit = u }
}
func since(e gb28181.Edition) func(*Field) {
	return func(f *Field) { f.Since = e }
}
func until(e gb28181.Edition) func(*Field) {
	return func(f *Field) { f.Until = e }
}
func fallback(v any) func(*Field) {
	return func(f *Field) { f.Default = v }
}
func old(name string) func(*Field) {
	return func(f *Field) { f.Old = name }
}
func readOnlySince(e gb28181.Edition) func(*Field) {
	return func(f *Field) { f.ReadOnly, f.ReadOnlySince = true, e }
}
func holding(fields ...Field) func(*Field) {
	return func(f *Field) { f.Fields = fields }
}
func counted(by, in string) func(*Field) {
	return func(f *Field) { f.Count, f.In = by, in }
}

// numbered are the choices of an integer, counted from first; each is given in
// English and Chinese.
func numbered(first int, words ...Words) func(*Field) {
	return func(f *Field) {
		f.Min, f.Max = first, first+len(words)-1
		for i, w := range words {
			f.Choices = append(f.Choices, Choice{first + i, w})
		}
	}
}

func pattern(p string) func(*Field) {
	return func(f *Field) { f.Pattern = p }
}

func named(values ...string) func(*Field) {
	return func(f *Field) {
		for _, v := range values {
			f.Choices = append(f.Choices, Choice{v, Words{v, v}})
		}
	}
}

func streamNumber() Field {
	return field(Int, "StreamNumber", "Stream (0 main, 1 first sub)", "码流编号（0 主码流，1 子码流 1）", within(0, 15), must)
}

func spaceMode(name, en, zh string, with ...func(*Field)) Field {
	return field(Int, name, en, zh, append(with, numbered(0,
		Words{"base layer only", "仅基本层"}, Words{"1 enhancement layer", "1 级增强"}, Words{"2 enhancement layers", "2 级增强"}, Words{"3 enhancement layers", "3 级增强"}))...)
}

func clock(name, en, zh string, high int) Field {
	return field(Int, name, en, zh, within(0, high), must)
}

// types is the schema. A field that section 3.12 of signalling.md does not mark
// as optional is mandatory in a set. Bounds that it does not give are such that a
// device can still be reached: those of BasicParam, widths, rates and times.
var types = []*Type{
	{Name: "BasicParam", Words: Words{"Basic parameters", "基本参数"}, Since: year11, Settable: true,
		Unverified: "fields of 2016 and 1.1 by secondary sources",
		Fields: []Field{
			field(Text, "Name", "Name", "设备名称", within(1, 64)),
			field(Text, "DeviceID", "Device ID", "设备编码", readOnly, until(year11)),
			field(Text, "SIPServerID", "SIP server ID", "SIP 服务器编码", readOnly, until(year11)),
			field(Text, "SIPServerIP", "SIP server address", "SIP 服务器地址", readOnly, until(year11)),
			field(Int, "SIPServerPort", "SIP server port", "SIP 服务器端口", readOnly, until(year11), within(1, 65535)),
			field(Text, "DomainName", "SIP domain", "SIP 服务器域名", readOnly, until(year11)),
			field(Int, "Expiration", "Registration lasts", "注册有效期", within(60, 604800), unit("s")),
			field(Int, "HeartBeatInterval", "Keepalive interval", "心跳间隔", within(int(shadow.MinInterval.Seconds()), int(shadow.MaxInterval.Seconds())), unit("s")),
			field(Int, "HeartBeatCount", "Keepalives that may be missed", "心跳超时次数", within(1, shadow.MaxMissed)),
			field(Int, "PositionCapability", "Positioning", "定位能力", readOnly, until(year16),
				numbered(0, Words{"none", "不支持"}, Words{"GPS", "GPS"}, Words{"BeiDou", "北斗"})),
			field(Number, "Longitude", "Longitude", "经度", readOnly, until(year16), within(-180, 180), unit("°")),
			field(Number, "Latitude", "Latitude", "纬度", readOnly, until(year16), within(-90, 90), unit("°")),
		}},
	{Name: "VideoParamOpt", Words: Words{"Video abilities", "视频参数范围"}, Since: year11,
		Unverified: "fields by secondary sources",
		Fields: []Field{
			field(Texts, "DownloadSpeed", "Download speeds", "下载倍速", readOnly),
			field(Texts, "Resolution", "Resolutions", "分辨率", readOnly),
		}},
	{Name: "SVACEncodeConfig", Words: Words{"SVAC encoding", "SVAC 编码配置"}, Since: year11, Settable: true,
		Unverified: "EncryptParam, SurveilanceParam of 2016, and which fields 2016 lets be set",
		Fields: []Field{
			field(Group, "ROIParam", "Regions of interest", "感兴趣区域", holding(
				field(Flag, "ROIFlag", "Regions on", "感兴趣区域开关", must),
				field(Items, "Item", "Regions", "区域", key("regions"), within(0, 16), counted("ROINumber", ""), holding(
					field(Int, "ROISeq", "Number", "编号", within(1, 16), must),
					field(Int, "TopLeft", "Block at the top left, in raster order", "左上角块序号", within(0, 1<<20), must),
					field(Int, "BottomRight", "Block at the bottom right, in raster order", "右下角块序号", within(0, 1<<20), must),
					field(Int, "ROIQP", "Quality", "编码质量等级", key("roi_qp"), must, quality),
				)),
				field(Int, "BackGroundQP", "Quality of the background", "背景区域编码质量等级", key("background_qp"), until(year16), quality),
				field(Flag, "BackGroundSkipFlag", "Skip the background", "背景跳过开关", key("background_skip_flag"), until(year16)),
			)),
			field(Group, "SVCParam", "Scalable coding", "SVC 参数", holding(
				spaceMode("SVCSpaceDomainMode", "Space", "空域编码方式", must),
				spaceMode("SVCTimeDomainMode", "Time", "时域编码方式", must),
				field(Text, "SSVCRatioValue", "Ratio of the space layers", "空域编码比例", since(year22), named("4:3", "2:1", "4:1", "6:1", "8:1")),
				spaceMode("SVCSpaceSupportMode", "Space it is able to", "空域编码能力", readOnly),
				spaceMode("SVCTimeSupportMode", "Time it is able to", "时域编码能力", readOnly),
				field(Texts, "SSVCRatioSupportList", "Ratios it is able to", "空域编码比例能力", since(year22), readOnly),
			)),
			field(Group, "SurveillanceParam", "Surveillance data", "监控专用信息", old("SurveilanceParam"), readOnlySince(year22), holding(
				field(Flag, "TimeFlag", "Absolute time", "绝对时间信息", readOnlySince(year22)),
				field(Flag, "EventFlag", "Events", "监控事件信息", until(year16)),
				field(Flag, "AlertFlag", "Alarms", "报警信息", until(year16)),
				field(Flag, "OSDFlag", "On-screen text", "OSD 信息", since(year22), readOnly),
				field(Flag, "AIFlag", "Analysis", "智能分析信息", since(year22), readOnly),
				field(Flag, "GISFlag", "Position", "地理信息", since(year22), readOnly),
			)),
			field(Group, "EncryptParam", "Encryption", "加密与认证", until(year16), holding(
				field(Flag, "EncryptionFlag", "Encrypt", "加密开关"),
				field(Flag, "AuthenticationFlag", "Authenticate", "认证开关"),
			)),
			field(Group, "AudioParam", "Sound", "音频参数", holding(
				field(Flag, "AudioRecognitionFlag", "Speech features", "声音识别特征参数开关", must),
			)),
		}},
	{Name: "SVACDecodeConfig", Words: Words{"SVAC decoding", "SVAC 解码配置"}, Since: year11, Settable: true,
		Unverified: "SurveilanceParam of 2016",
		Fields: []Field{
			field(Group, "SVCParam", "Scalable coding", "SVC 参数", holding(
				spaceMode("SVCSTMMode", "Layers shown", "码流显示模式", key("svc_stm_mode"), must),
				spaceMode("SVCSpaceSupportMode", "Space it is able to", "空域解码能力", readOnly),
				spaceMode("SVCTimeSupportMode", "Time it is able to", "时域解码能力", readOnly),
			)),
			field(Group, "SurveillanceParam", "Surveillance data", "监控专用信息", old("SurveilanceParam"), holding(
				field(Flag, "TimeShowFlag", "Show the time", "显示绝对时间"),
				field(Flag, "EventShowFlag", "Show events", "显示监控事件", until(year16)),
				field(Flag, "AlertShowFlag", "Show alarms", "显示报警信息", old("AlerShowtFlag"), until(year16)),
				field(Flag, "OSDShowFlag", "Show on-screen text", "显示 OSD", since(year22)),
				field(Flag, "AIShowFlag", "Show analysis", "显示智能分析信息", since(year22)),
				field(Flag, "GISShowFlag", "Show the position", "显示地理信息", since(year22)),
			)),
		}},
	{Name: "VideoParamAttribute", Words: Words{"Video streams", "视频参数属性"}, Since: year22, Settable: true,
		Fields: []Field{
			field(Items, "Item", "Streams", "码流", key("streams"), within(0, 16), counted("@Num", ""), must, holding(
				streamNumber(),
				field(Int, "VideoFormat", "Codec", "视频编码格式", must,
					numbered(1, Words{"MPEG-4", "MPEG-4"}, Words{"H.264", "H.264"}, Words{"SVAC", "SVAC"}, Words{"3GP", "3GP"}, Words{"H.265", "H.265"})),
				field(Text, "Resolution", "Resolution: 1 QCIF, 2 CIF, 3 4CIF, 4 D1, 5 720P, 6 1080P, or as 3840x2160",
					"分辨率：1 QCIF，2 CIF，3 4CIF，4 D1，5 720P，6 1080P，或如 3840x2160", within(1, 16), must),
				field(Int, "FrameRate", "Frame rate", "帧率", within(0, 99), unit("fps"), must),
				field(Int, "BitRateType", "Bit rate is", "码率类型", must, numbered(1, Words{"constant", "固定码率"}, Words{"variable", "可变码率"})),
				field(Int, "VideoBitRate", "Bit rate; needed when constant", "码率，固定码率时必填", within(1, 1000000), unit("kbit/s")),
			)),
		}},
	{Name: "VideoRecordPlan", Words: Words{"Recording plan", "录像计划"}, Since: year22, Settable: true,
		Fields: []Field{
			field(Flag, "RecordEnable", "Record", "启用录像计划", must),
			field(Items, "RecordSchedule", "Days", "每日录像计划", key("days"), within(0, 7), counted("RecordScheduleSumNum", ""), must, holding(
				field(Int, "WeekDayNum", "Day", "星期", must, numbered(1,
					Words{"Monday", "星期一"}, Words{"Tuesday", "星期二"}, Words{"Wednesday", "星期三"}, Words{"Thursday", "星期四"},
					Words{"Friday", "星期五"}, Words{"Saturday", "星期六"}, Words{"Sunday", "星期日"})),
				field(Items, "TimeSegment", "Times", "录像时间段", key("times"), within(1, 8), counted("TimeSegmentSumNum", ""), must, holding(
					clock("StartHour", "From hour", "开始时", 23), clock("StartMin", "From minute", "开始分", 59), clock("StartSec", "From second", "开始秒", 59),
					clock("StopHour", "To hour", "结束时", 23), clock("StopMin", "To minute", "结束分", 59), clock("StopSec", "To second", "结束秒", 59),
				)),
			)),
			streamNumber(),
		}},
	{Name: "VideoAlarmRecord", Words: Words{"Recording on alarm", "报警录像"}, Since: year22, Settable: true,
		Fields: []Field{
			field(Flag, "RecordEnable", "Record", "启用报警录像", must),
			field(Int, "RecordTime", "After the alarm", "录像延时", within(0, 86400), unit("s")),
			field(Int, "PreRecordTime", "Before the alarm", "预录时间", within(0, 86400), unit("s")),
			streamNumber(),
		}},
	{Name: "PictureMask", Words: Words{"Privacy masks", "视频画面遮挡"}, Since: year22, Settable: true, names: []string{"PictrueMask"},
		Fields: []Field{
			field(Flag, "On", "Masks on", "启用遮挡", must),
			field(Items, "Item", "Masks", "遮挡区域", key("regions"), within(0, 4), counted("SumNum", "RegionList"), must, holding(
				field(Int, "Seq", "Number", "编号", within(1, 4), must),
				field(Box, "Point", "Left, top, right, bottom", "左、上、右、下坐标", unit("px"), must),
			)),
		}},
	{Name: "FrameMirror", Words: Words{"Mirror the picture", "画面翻转"}, Since: year22, Settable: true,
		Fields: []Field{
			field(Int, "", "Mirror", "翻转方式", key("mirror"), must,
				numbered(0, Words{"off", "不启用"}, Words{"left and right", "水平翻转"}, Words{"up and down", "上下翻转"}, Words{"both", "中心翻转"})),
		}},
	{Name: "AlarmReport", Words: Words{"Alarms reported", "报警上报开关"}, Since: year22, Settable: true,
		Fields: []Field{
			field(Flag, "MotionDetection", "Motion", "移动侦测上报", must),
			field(Flag, "FieldDetection", "Intrusion", "区域入侵上报", must),
		}},
	{Name: "OSDConfig", Words: Words{"On-screen text", "前端 OSD"}, Since: year22, Settable: true,
		Fields: []Field{
			field(Int, "Length", "Width of the window", "配置窗口长度", within(1, 65535), unit("px"), must),
			field(Int, "Width", "Height of the window", "配置窗口宽度", within(1, 65535), unit("px"), must),
			field(Int, "TimeX", "Time from the left", "时间 X 坐标", within(0, 65535), unit("px"), must),
			field(Int, "TimeY", "Time from the top", "时间 Y 坐标", within(0, 65535), unit("px"), must),
			field(Flag, "TimeEnable", "Show the time", "显示时间", fallback(true)),
			field(Int, "TimeType", "Form of the time", "时间显示类型",
				numbered(0, Words{"YYYY-MM-DD HH:MM:SS", "YYYY-MM-DD HH:MM:SS"}, Words{"YYYY年MM月DD日HH:MM:SS", "YYYY年MM月DD日HH:MM:SS"})),
			field(Flag, "TextEnable", "Show the lines", "显示文字", fallback(true)),
			field(Items, "Item", "Lines", "文字", key("lines"), within(0, 8), counted("SumNum", ""), must, holding(
				field(Text, "Text", "Text", "文字内容", within(0, 32), must),
				field(Int, "X", "From the left", "X 坐标", within(0, 65535), unit("px"), must),
				field(Int, "Y", "From the top", "Y 坐标", within(0, 65535), unit("px"), must),
			)),
		}},
	{Name: "SnapShotConfig", Words: Words{"Snapshots", "图像抓拍"}, Since: year22, Settable: true, names: []string{"SnapShot"},
		Unverified: "the answer's element, printed SnapShot",
		Fields: []Field{
			field(Int, "SnapNum", "Pictures", "连拍张数", within(1, 10), must),
			field(Int, "Interval", "Time between two", "单张抓拍间隔", within(1, 86400), unit("s"), must),
			field(Text, "UploadURL", "Upload to", "上传路径", within(1, 1024), must),
			field(Text, "SessionID", "Session, 32 to 128 letters, digits and dashes", "会话 ID，32 至 128 个字母、数字或短横", within(32, 128), pattern(`^[A-Za-z0-9-]*$`), must),
		}},
}

func quality(f *Field) {
	numbered(0, Words{"normal", "一般"}, Words{"better", "较好"}, Words{"good", "好"}, Words{"very good", "很好"})(f)
}
