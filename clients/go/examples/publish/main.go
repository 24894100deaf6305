// Command publish makes a subscription and publishes indicators of the last five bars.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	tidings "github.com/tidings-dev/tidings/clients/go"
	pb "github.com/tidings-dev/tidings/clients/go/tidingsv1"
)

func main() {
	log.SetFlags(0)
	address := "127.0.0.1:8080"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	client, err := tidings.Dial(address)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	subscription := &pb.CreateSubscriptionRequest{Name: "go-desk", Topics: []string{"analysis/indicators/*"}}
	if _, err := client.Admin.CreateSubscription(ctx, subscription); err != nil {
		log.Fatal(err)
	}
	var events []*pb.Event
	start := time.Now().Truncate(5 * time.Minute)
	for bar := range 5 {
		from := start.Add(time.Duration(bar-5) * 5 * time.Minute)
		value := 40 + float64(bar)
		events = append(events, &pb.Event{
			Id:            tidings.NewID(),
			Source:        "go-example",
			Kind:          pb.Kind_INDICATORS,
			Instrument:    "AAPL",
			Venue:         "XNAS",
			Timeframe:     "5m",
			IntervalStart: uint64(from.UnixNano()),
			IntervalEnd:   uint64(from.Add(5 * time.Minute).UnixNano()),
			ProducedAt:    uint64(time.Now().UnixNano()),
			Payload: &pb.Event_Indicators{Indicators: &pb.Indicators{
				Values: map[string]*pb.Value{"rsi_14": {Value: &value}},
			}},
		})
	}
	results, err := client.Publish(ctx, events...)
	if err != nil {
		log.Fatal(err)
	}
	for _, result := range results {
		if result.GetError() != nil {
			log.Fatal(tidings.Refused{Problem: result.GetError()})
		}
		fmt.Printf("stored %s/%d at %d\n", result.GetTopic(), result.GetPartition(), result.GetOffset())
	}
}
