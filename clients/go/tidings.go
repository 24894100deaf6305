// Package tidings is a small Go client of Tidings, made of the contract in proto/tidings/v1.
//
// The messages and stubs in tidingsv1 are generated: run `go generate` first.
package tidings

//go:generate go run ./internal/generate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

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

// Delivered is an event with its place.
type Delivered struct {
	Topic     string
	Partition uint32
	Offset    uint64
	Event     *pb.Event
}

// ErrStop ends Consume without an error, after what was handled has been confirmed.
var ErrStop = errors.New("stop")

// Consume hands a subscription's events to handle, acknowledges each delivery that was handled,
// and goes on until handle returns an error. What was not handled comes again to the next consumer.
func (c *Client) Consume(ctx context.Context, subscription string, handle func(Delivered) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.Consumer.Consume(ctx)
	if err != nil {
		return refusal(err)
	}
	asks := []*pb.ConsumeRequest{
		{Message: &pb.ConsumeRequest_Open{Open: &pb.ConsumeOpen{Subscription: subscription, Consumer: "go"}}},
		{Message: &pb.ConsumeRequest_Credit{Credit: &pb.Credit{Events: 65_536, Bytes: 16 << 20}}},
	}
	for _, ask := range asks {
		if err := stream.Send(ask); err != nil {
			return receiveError(stream, err)
		}
	}
	s := session{stream: stream, topics: map[uint64]string{}, handle: handle}
	return s.run()
}

type session struct {
	stream    grpc.BidiStreamingClient[pb.ConsumeRequest, pb.ConsumeResponse]
	topics    map[uint64]string
	handle    func(Delivered) error
	unsettled uint64
	stopped   bool
}

func (s *session) run() error {
	for !s.stopped || s.unsettled > 0 {
		answer, err := s.stream.Recv()
		if err != nil {
			return refusal(err)
		}
		switch said := answer.GetMessage().(type) {
		case *pb.ConsumeResponse_Topic:
			s.topics[said.Topic.GetTopicId()] = said.Topic.GetName()
		case *pb.ConsumeResponse_Delivery:
			if err := s.deliver(said.Delivery); err != nil {
				return err
			}
		case *pb.ConsumeResponse_Confirmed:
			for _, runs := range [][]*pb.PositionRun{said.Confirmed.GetRuns(), said.Confirmed.GetStale()} {
				for _, run := range runs {
					s.unsettled -= run.GetLast() - run.GetFirst() + 1
				}
			}
		case *pb.ConsumeResponse_Gap:
			gap := said.Gap
			fmt.Printf("gap: %d events of partition %d: %s\n", gap.GetCount(), gap.GetPartition(), gap.GetReason())
		case *pb.ConsumeResponse_Error:
			return Refused{said.Error}
		}
	}
	return nil
}

// deliver handles events until one fails or stops, acknowledges those, and gives credit back.
func (s *session) deliver(delivery *pb.Delivery) error {
	if s.stopped {
		return nil
	}
	batch := &pb.EventBatch{}
	if err := proto.Unmarshal(delivery.GetBody(), batch); err != nil {
		return err
	}
	var runs []*pb.PositionRun
	var failed error
	at := 0
	for _, run := range delivery.GetOffsets() {
		for i := range uint64(run.GetCount()) {
			if failed != nil || s.stopped {
				break
			}
			offset := run.GetFirst() + i
			event := Delivered{s.topics[delivery.GetTopicId()], delivery.GetPartition(), offset, batch.GetEvents()[at]}
			if err := s.handle(event); errors.Is(err, ErrStop) {
				s.stopped = true
			} else if err != nil {
				failed = err
				break
			}
			runs = append(runs, &pb.PositionRun{
				TopicId:   delivery.GetTopicId(),
				Epoch:     delivery.GetEpoch(),
				Partition: delivery.GetPartition(),
				First:     offset,
				Last:      offset,
			})
			at++
		}
	}
	s.unsettled += uint64(len(runs))
	ack := &pb.ConsumeRequest{Message: &pb.ConsumeRequest_Ack{Ack: &pb.Ack{Runs: runs}}}
	credit := &pb.ConsumeRequest{Message: &pb.ConsumeRequest_Credit{Credit: &pb.Credit{
		Events: uint64(len(batch.GetEvents())), Bytes: uint64(len(delivery.GetBody())),
	}}}
	for _, ask := range []*pb.ConsumeRequest{ack, credit} {
		if err := s.stream.Send(ask); err != nil {
			return receiveError(s.stream, err)
		}
	}
	return failed
}

// receiveError says why a stream broke: a failed send only says that it did.
func receiveError(stream grpc.BidiStreamingClient[pb.ConsumeRequest, pb.ConsumeResponse], err error) error {
	if !errors.Is(err, io.EOF) {
		return refusal(err)
	}
	_, err = stream.Recv()
	return refusal(err)
}
