// Package agenda keeps many deadlines with one heap and one timer: the services
// of GB/T 28181 wait for thousands of answers and refresh tens of thousands of
// subscriptions without a goroutine or a timer for each.
package agenda
