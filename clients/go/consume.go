package tidings

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/tidings-dev/tidings/clients/go/tidingsv1"
)

// Between attempts to attach again: half of it to all of it, doubled each time.
const (
	backoffMin = 100 * time.Millisecond
	backoffMax = 5 * time.Second
)

// Refusals that pass.
var passing = []string{
	"LOG_READ_ONLY",
	"REBUILDING",
	"RESOURCE_EXHAUSTED",
	"SHUTTING_DOWN",
	"STORAGE_FULL",
	// What this consumer had before may not have been found dead yet.
	"SUBSCRIPTION_BUSY",
}

// Delivered is an event with its place.
type Delivered struct {
	Topic     string
	Partition uint32
	Offset    uint64
	// Redelivered says that it may have been delivered before.
	Redelivered bool
	Event       *pb.Event
}

// ErrStop ends Consume without an error, after what was handled has been confirmed.
var ErrStop = errors.New("stop")

// Consume hands a subscription's events to handle, acknowledges each delivery that was handled,
// and goes on until handle returns an error. What was not handled comes again to the next consumer.
//
// Once it was attached, it attaches again when the connection breaks or the service restarts, for
// as long as ctx allows; what was not confirmed before then comes again, flagged Redelivered.
func (c *Client) Consume(ctx context.Context, subscription string, handle func(Delivered) error) error {
	attached := false
	backoff := backoffMin
	for {
		s := session{topics: map[uint64]string{}, handle: handle}
		err := s.consume(ctx, c.Consumer, subscription)
		attached = attached || s.attached
		if err == nil || s.stopped || !attached || !passes(err) || ctx.Err() != nil {
			return err
		}
		if s.attached {
			backoff = backoffMin
		}
		wait := time.NewTimer(backoff/2 + rand.N(backoff/2))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
		backoff = min(2*backoff, backoffMax)
	}
}

// handleError is what the caller's function said: never a reason to attach again.
type handleError struct{ error }

func (h handleError) Unwrap() error { return h.error }

// passes says whether attaching again may work.
func passes(err error) bool {
	var handled handleError
	if errors.As(err, &handled) {
		return false
	}
	var refused Refused
	if errors.As(err, &refused) {
		return slices.Contains(passing, refused.GetCode())
	}
	return errors.Is(err, io.EOF) || status.Code(err) == codes.Unavailable
}

type session struct {
	stream    grpc.BidiStreamingClient[pb.ConsumeRequest, pb.ConsumeResponse]
	topics    map[uint64]string
	handle    func(Delivered) error
	unsettled uint64
	attached  bool
	stopped   bool
}

// consume attaches, and serves the stream to its end.
func (s *session) consume(ctx context.Context, calls pb.ConsumerClient, subscription string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := calls.Consume(ctx)
	if err != nil {
		return refusal(err)
	}
	s.stream = stream
	// This client reads bodies as they are stored.
	compression := "none"
	open := &pb.ConsumeOpen{Subscription: subscription, Consumer: "go", Compression: &compression}
	err = s.ask(
		&pb.ConsumeRequest{Message: &pb.ConsumeRequest_Open{Open: open}},
		&pb.ConsumeRequest{Message: &pb.ConsumeRequest_Credit{Credit: &pb.Credit{Events: 65_536, Bytes: 16 << 20}}},
	)
	if err != nil {
		return err
	}
	return s.run()
}

func (s *session) run() error {
	for !s.stopped || s.unsettled > 0 {
		answer, err := s.stream.Recv()
		if err != nil {
			return refusal(err)
		}
		switch said := answer.GetMessage().(type) {
		case *pb.ConsumeResponse_Opened:
			s.attached = true
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
	if delivery.GetCodec() != 0 {
		return fmt.Errorf("a body is packed with codec %d, which was not asked for", delivery.GetCodec())
	}
	batch := &pb.EventBatch{}
	if err := proto.Unmarshal(delivery.GetBody(), batch); err != nil {
		return err
	}
	var runs []*pb.PositionRun
	var failed error
	for i, offset := range offsets(delivery) {
		if i >= len(batch.GetEvents()) {
			return errors.New("a delivery has not one event per offset")
		}
		err := s.handle(Delivered{
			Topic:       s.topics[delivery.GetTopicId()],
			Partition:   delivery.GetPartition(),
			Offset:      offset,
			Redelivered: holds(delivery.GetRedelivered(), offset),
			Event:       batch.GetEvents()[i],
		})
		s.stopped = errors.Is(err, ErrStop)
		if err != nil && !s.stopped {
			failed = handleError{err}
			break
		}
		runs = append(runs, &pb.PositionRun{
			TopicId:   delivery.GetTopicId(),
			Epoch:     delivery.GetEpoch(),
			Partition: delivery.GetPartition(),
			First:     offset,
			Last:      offset,
		})
		if s.stopped {
			break
		}
	}
	s.unsettled += uint64(len(runs))
	err := s.ask(
		&pb.ConsumeRequest{Message: &pb.ConsumeRequest_Ack{Ack: &pb.Ack{Runs: runs}}},
		&pb.ConsumeRequest{Message: &pb.ConsumeRequest_Credit{Credit: &pb.Credit{
			Events: uint64(len(batch.GetEvents())), Bytes: uint64(len(delivery.GetBody())),
		}}},
	)
	if failed != nil {
		return failed
	}
	return err
}

// ask sends; a failed send only says that the stream broke, and its end says why.
func (s *session) ask(requests ...*pb.ConsumeRequest) error {
	for _, request := range requests {
		err := s.stream.Send(request)
		if errors.Is(err, io.EOF) {
			return s.broken()
		}
		if err != nil {
			return refusal(err)
		}
	}
	return nil
}

// broken reads a stream to its end and says why it ended.
func (s *session) broken() error {
	for {
		answer, err := s.stream.Recv()
		if err != nil {
			return refusal(err)
		}
		if said, ok := answer.GetMessage().(*pb.ConsumeResponse_Error); ok {
			return Refused{said.Error}
		}
	}
}

// offsets lists those of a delivery's events, in order.
func offsets(delivery *pb.Delivery) []uint64 {
	var all []uint64
	for _, run := range delivery.GetOffsets() {
		for i := range uint64(run.GetCount()) {
			all = append(all, run.GetFirst()+i)
		}
	}
	return all
}

func holds(runs []*pb.OffsetRun, offset uint64) bool {
	return slices.ContainsFunc(runs, func(run *pb.OffsetRun) bool {
		return offset >= run.GetFirst() && offset-run.GetFirst() < uint64(run.GetCount())
	})
}
