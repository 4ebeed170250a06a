// Package setting is what a device can be configured with: the twelve config
// types of GB/T 28181 Annex A (ConfigDownload and DeviceConfig; signalling.md
// section 3.12) as one schema. From it come the messages in both editions, the
// lenient reading of answers, the check of values before anything is sent, the
// JSON of the API and the description that forms are built from.
//
// A password has no place in the schema: manscdp drops it while it reads.
package setting
