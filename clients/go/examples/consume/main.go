// Command consume prints and acknowledges the first events of the subscription go-desk, five or as
// many as it is told: consume ADDRESS COUNT.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	tidings "github.com/tidings-dev/tidings/clients/go"
)

func main() {
	log.SetFlags(0)
	address := "127.0.0.1:8080"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	wanted := 5
	if len(os.Args) > 2 {
		var err error
		if wanted, err = strconv.Atoi(os.Args[2]); err != nil {
			log.Fatal(err)
		}
	}
	client, err := tidings.Dial(address)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	count := 0
	err = client.Consume(ctx, "go-desk", func(delivered tidings.Delivered) error {
		for name, value := range delivered.Event.GetIndicators().GetValues() {
			fmt.Printf("%s %s = %v (%s, offset %d)\n",
				delivered.Event.GetInstrument(), name, value.GetValue(), delivered.Topic, delivered.Offset)
		}
		if count++; count == wanted {
			return tidings.ErrStop
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d events acknowledged\n", wanted)
}
