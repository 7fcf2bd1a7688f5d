// fluent-logger-golang: send HOST PORT TAG COUNT SEED [ack] [subsecond] [json]. The rule of the events: ../events.py
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
)

const base = 1767225600

var (
	levels = []string{"debug", "info", "warn", "error"}
	words  = []string{"order", "결제", "완료", "🙂", "naïve", "日本語", "\"quoted\"", "back\\slash", "<tag>&amp;", "tab\there",
		"👩‍👩‍👧‍👦", "0"}
	ints = []int64{0, 1, -1, 127, 128, -129, 65536, 2147483648, -2147483649, 9007199254740991,
		9007199254740993, 4611686018427387905, -4611686018427387905, 9223372036854775806, 9223372036854775807,
		-9223372036854775808}
	floats = []float64{0.1, -2.5, 3.141592653589793, 1e300, 5e-324, 1.0}
)

const (
	control = "\x00\x01\x1f\t\r\n\"\\/\x7f\u2028\ufeff"
	long    = "가나다라"
)

func mix(x uint32) uint32 {
	x ^= x >> 16
	x *= 0x7FEB352D
	x ^= x >> 15
	x *= 0x846CA68B
	return x ^ x>>16
}

func hash(seed, seq, k uint32) uint32 {
	return mix(seed*0x9E3779B1 + seq*0x85EBCA77 + k*0xC2B2AE3D)
}

func record(tag string, seed, seq uint32, safeFloats bool) map[string]interface{} {
	h := func(k uint32) uint32 { return hash(seed, seq, k) }
	message := make([]string, h(2)%6)
	for i := range message {
		message[i] = words[h(10+uint32(i))%12]
	}
	floatCount, repeat := uint32(6), h(12)%8
	if safeFloats {
		floatCount = 5
	}
	if h(12)%50 == 0 {
		repeat = 5000
	}
	return map[string]interface{}{
		"sender":  tag,
		"seq":     int64(seq),
		"level":   levels[h(1)%4],
		"message": strings.Join(message, " "),
		"count":   ints[h(3)%16],
		"ratio":   float64(h(4)%1000000)/1000 + 0.0005,
		"exact":   floats[h(5)%floatCount],
		"ok":      h(6)%2 == 0,
		"nothing": nil,
		"user": map[string]interface{}{
			"name":  words[h(7)%12],
			"roles": []interface{}{levels[h(8)%4], int64(seq % 7), true, nil},
			"deep": map[string]interface{}{"a": map[string]interface{}{"b": []interface{}{
				[]interface{}{}, map[string]interface{}{"c": int64(seq)}, map[string]interface{}{}}}},
		},
		"control": control,
		"long":    strings.Repeat(long, int(repeat)),
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	options := " " + strings.Join(os.Args[6:], " ") + " "
	json := strings.Contains(options, " json ")
	tag, count, seed := os.Args[3], number(os.Args[4]), uint32(number(os.Args[5]))
	logger, err := fluent.New(fluent.Config{
		FluentHost:         os.Args[1],
		FluentPort:         number(os.Args[2]),
		RequestAck:         strings.Contains(options, " ack "),
		SubSecondPrecision: strings.Contains(options, " subsecond "),
		MarshalAsJSON:      json,
		WriteTimeout:       30 * time.Second,
	})
	check(err)
	for seq := 0; seq < count; seq++ {
		when := time.Unix(base+int64(seq), int64(hash(seed, uint32(seq), 9)%1000)*1000000)
		// In JSON, Go writes 1.0 as 1.
		check(logger.PostWithTime(tag, when, record(tag, seed, uint32(seq), json)))
	}
	check(logger.Close())
}
