// Package tidings is a small Go client of Tidings, made of the contract in proto/tidings/v1.
//
// The messages and stubs in tidingsv1 are generated: run `go generate` first.
package tidings

//go:generate go run ./internal/generate

import (
	"context"
	"crypto/rand"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "github.com/tidings-dev/tidings/clients/go/tidingsv1"
)

// Client is a connection to a service.
type Client struct {
	conn      *grpc.ClientConn
	Publisher pb.PublisherClient
	Consumer  pb.ConsumerClient
	Admin     pb.AdminClient
}

// Dial makes a client of the service at host:port.
func Dial(address string) (*Client, error) {
	conn, err := grpc.NewClient(
		address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(32<<20)),
	)
	if err != nil {
		return nil, err
	}
	return &Client{
		conn:      conn,
		Publisher: pb.NewPublisherClient(conn),
		Consumer:  pb.NewConsumerClient(conn),
		Admin:     pb.NewAdminClient(conn),
	}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Refused is a refusal of the service. Its code is stable and has a page in docs/errors.
type Refused struct{ *pb.Problem }

func (r Refused) Error() string {
	text := r.GetCode() + ": " + r.GetDetail()
	if r.GetField() != "" {
		text += " (field " + r.GetField() + ")"
	}
	if r.GetHint() != "" {
		text += "; " + r.GetHint()
	}
	return text
}

// refusal finds the service's problem in the error of a call.
func refusal(err error) error {
	for _, detail := range status.Convert(err).Details() {
		if problem, ok := detail.(*pb.Problem); ok {
			return Refused{problem}
		}
	}
	return err
}

// NewID makes an event id: the event's identity within its source, also when it is sent again.
func NewID() []byte {
	id := make([]byte, 16)
	rand.Read(id)
	id[6], id[8] = id[6]&0x0F|0x40, id[8]&0x3F|0x80
	return id
}

// Publish stores events. Each result names a place or carries the event's own refusal; repeating
// the same events after an error stores nothing twice.
func (c *Client) Publish(ctx context.Context, events ...*pb.Event) ([]*pb.PublishResult, error) {
	answer, err := c.Publisher.Publish(ctx, &pb.PublishRequest{Events: events})
	if err != nil {
		return nil, refusal(err)
	}
	return answer.GetResults(), nil
}
