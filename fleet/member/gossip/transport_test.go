package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

const (
	addrA = "10.0.0.1:80"
	addrB = "10.0.0.2:80"
	addrC = "10.0.0.3:80"
)

// metric returns the value of a counter or gauge of tr.
func metric(c prometheus.Collector) int { return int(testutil.ToFloat64(c)) }

// echo answers every stream of tr with what it reads, until tr is shut down.
func echo(t *testing.T, tr *Transport) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case c := <-tr.StreamCh():
				wg.Go(func() {
					_, _ = io.Copy(c, c)
					c.Close()
				})
			case <-done:
				return
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		_ = tr.Shutdown()
		wg.Wait()
	})
}

func TestPacketsArriveInOrderAndAreCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, _ := n.node(t, addrA, Config{})
		b, _ := n.node(t, addrB, Config{})
		want := []string{"one", strings.Repeat("2", 8<<10), strings.Repeat("3", 2<<20), "four"}
		for _, s := range want {
			if at, err := a.WriteTo([]byte(s), addrB); err != nil || !at.Equal(time.Now()) {
				t.Errorf("write: %s, %v", at, err)
			}
		}
		size := 0
		for i, s := range want {
			p := <-b.PacketCh()
			if string(p.Buf) != s || !p.Timestamp.Equal(time.Now()) || !strings.HasPrefix(p.From.String(), "10.0.0.1:") {
				t.Errorf("packet %d: %d bytes of %d, from %s at %s", i, len(p.Buf), len(s), p.From, p.Timestamp)
			}
			size += len(s)
		}
		synctest.Wait()
		got := []int{metric(a.meters.txPackets), metric(a.meters.txBytes), metric(a.meters.txFailed),
			metric(b.meters.rxPackets), metric(b.meters.rxBytes), metric(b.meters.rxFailed)}
		if diff := cmp.Diff([]int{4, size, 0, 4, size, 0}, got); diff != "" {
			t.Errorf("counters (-want +got)\n%s", diff)
		}
		if a.out.byPeer[addrB] != nil || len(b.in.byPeer) != 0 {
			t.Error("an idle worker lives on")
		}
	})
}

// A peer that accepts and says nothing costs the others no time at all.
func TestSilentPeerDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, _ := n.node(t, addrA, Config{})
		b, _ := n.node(t, addrB, Config{})
		n.swallow(t, addrC)
		start := time.Now()
		for i := range 100 {
			_, _ = a.WriteTo([]byte("lost"), addrC)
			_, _ = a.WriteTo(fmt.Append(nil, i), addrB)
		}
		for i := range 100 {
			if p := <-b.PacketCh(); string(p.Buf) != fmt.Sprint(i) {
				t.Errorf("packet %d: %q", i, p.Buf)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("packets took %s", d)
		}
		time.Sleep(3 * sendTimeout)
		_, _ = a.WriteTo([]byte("lost"), addrC)
		synctest.Wait() // its worker is busy with this one
		for range 1000 {
			_, _ = a.WriteTo([]byte("lost"), addrC)
		}
		synctest.Wait()
		if w := a.out.waiting(); w != laneLen {
			t.Errorf("%d packets wait, want %d", w, laneLen)
		}
		time.Sleep(2*sendTimeout + time.Second)
		synctest.Wait()
		if len(a.out.byPeer) != 0 {
			t.Error("the silent peer's worker lives on")
		}
		if tx, failed := metric(a.meters.txPackets), metric(a.meters.txFailed); tx != 100 || failed != 1101 {
			t.Errorf("%d sent, %d failed", tx, failed)
		}
	})
}

// A peer that returns is reached with the first packet that is written then.
func TestDeadPeerIsReachedWhenItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, _ := n.node(t, addrA, Config{})
		_, _ = a.WriteTo([]byte("early"), addrB)
		synctest.Wait()
		if f := metric(a.meters.txFailed); f != 1 {
			t.Errorf("%d failed, want 1", f)
		}
		b, stop := n.node(t, addrB, Config{})
		_, _ = a.WriteTo([]byte("hello"), addrB)
		if p := <-b.PacketCh(); string(p.Buf) != "hello" {
			t.Errorf("got %q", p.Buf)
		}
		stop()
		b, _ = n.node(t, addrB, Config{})
		time.Sleep(time.Second)
		_, _ = a.WriteTo([]byte("again"), addrB)
		if p := <-b.PacketCh(); string(p.Buf) != "again" {
			t.Errorf("got %q", p.Buf)
		}
	})
}

// One address that floods us pushes out its own packets only.
func TestFloodPushesOutItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, _ := n.node(t, addrA, Config{})
		b, _ := n.node(t, addrB, Config{})
		c, _ := n.node(t, addrC, Config{})
		for range 20 {
			for range laneLen {
				_, _ = a.WriteTo([]byte("flood"), addrB)
			}
			synctest.Wait()
		}
		_, _ = c.WriteTo([]byte("gossip"), addrB)
		synctest.Wait()
		for i := 1; ; i++ {
			if p := <-b.PacketCh(); string(p.Buf) == "gossip" {
				if i > 3 {
					t.Errorf("came as number %d", i)
				}
				break
			}
		}
		if f := metric(b.meters.rxFailed); f == 0 {
			t.Error("nothing was dropped")
		}
	})
}

func TestStreamCarriesBytesBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, _ := n.node(t, addrA, Config{MaxFrame: 1 << 20})
		b, _ := n.node(t, addrB, Config{MaxFrame: 1 << 20})
		echo(t, b)
		c, err := a.DialTimeout(addrB, 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if c.LocalAddr().String() != addrA || c.RemoteAddr().String() != addrB {
			t.Errorf("from %s to %s", c.LocalAddr(), c.RemoteAddr())
		}
		want := bytes.Repeat([]byte("0123456789"), 300_000) // longer than a frame
		var wg sync.WaitGroup
		wg.Go(func() {
			if m, err := c.Write(want); m != len(want) || err != nil {
				t.Errorf("wrote %d of %d: %v", m, len(want), err)
			}
		})
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("read: %v", err)
		}
		wg.Wait()
		if m := metric(a.meters.streams); m != 1 {
			t.Errorf("%d streams are open", m)
		}
		c.Close()
		if _, err := c.Read(got); err != net.ErrClosed {
			t.Errorf("read after close: %v", err)
		}
		if _, err := c.Write(got); err != net.ErrClosed {
			t.Errorf("write after close: %v", err)
		}
		synctest.Wait()
		if m, m2 := metric(a.meters.streams), metric(b.meters.streams); m != 0 || m2 != 0 {
			t.Errorf("%d and %d streams are open", m, m2)
		}
		if f, bytes := metric(a.meters.streamTxPackets), metric(b.meters.streamRxBytes); f != 3 || bytes != len(want) {
			t.Errorf("%d frames sent, %d bytes received", f, bytes)
		}
	})
}

// What was written before Close arrives, as memberlist's user messages need.
func TestCloseLetsThroughWhatWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, _ := n.node(t, addrA, Config{})
		b, _ := n.node(t, addrB, Config{})
		want := bytes.Repeat([]byte("x"), 1<<20)
		for range 3 {
			conn, err := a.DialTimeout(addrB, 2*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			far := <-b.StreamCh()
			var got []byte
			var wg sync.WaitGroup
			wg.Go(func() { got, err = io.ReadAll(far) })
			if _, err := conn.Write(want); err != nil {
				t.Error(err)
			}
			conn.Close()
			wg.Wait()
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %d of %d bytes: %v", len(got), len(want), err)
			}
			far.Close()
		}
	})
}

func TestStreamEndsAtItsDeadlines(t *testing.T) {
	f := func(name string, wait time.Duration, use func(near, far net.Conn) error) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			n := newMemNet()
			a, _ := n.node(t, addrA, Config{})
			b, _ := n.node(t, addrB, Config{})
			near, err := a.DialTimeout(addrB, 2*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			far := <-b.StreamCh()
			start := time.Now()
			if err := use(near, far); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			if d := time.Since(start); d != wait {
				t.Errorf("%s: took %s, want %s", name, d, wait)
			}
			synctest.Wait()
			near.Close()
			far.Close()
		})
	}
	write := func(c net.Conn) error {
		_, err := c.Write(make([]byte, 19<<20)) // beyond every window
		return err
	}
	read := func(c net.Conn) error {
		_, err := c.Read(make([]byte, 1))
		return err
	}
	f("life of the near end", 2*time.Second, func(near, _ net.Conn) error { return read(near) })
	f("life of the near end, writing", 2*time.Second, func(near, _ net.Conn) error { return write(near) })
	f("near reading", time.Second, func(near, _ net.Conn) error {
		_ = near.SetReadDeadline(time.Now().Add(time.Second))
		return read(near)
	})
	f("near writing", time.Second, func(near, _ net.Conn) error {
		_ = near.SetWriteDeadline(time.Now().Add(time.Second))
		return write(near)
	})
	f("far reading", time.Second, func(_, far net.Conn) error {
		_ = far.SetDeadline(time.Now().Add(time.Minute))
		_ = far.SetReadDeadline(time.Now().Add(time.Second))
		return read(far)
	})
	f("far writing", time.Second, func(_, far net.Conn) error {
		_ = far.SetDeadline(time.Now().Add(time.Second))
		return write(far)
	})
	f("past", 0, func(near, far net.Conn) error {
		_ = far.SetDeadline(time.Now().Add(-time.Second))
		synctest.Wait()
		return read(far)
	})
}

func TestDialFailsInTime(t *testing.T) {
	f := func(name, addr string, timeout, want time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			n := newMemNet()
			a, _ := n.node(t, addrA, Config{})
			n.swallow(t, addrC)
			start := time.Now()
			c, err := a.DialTimeout(addr, timeout)
			if err == nil || c != nil || time.Since(start) != want {
				t.Errorf("%s: %v, %v after %s", name, c, err, time.Since(start))
			}
			synctest.Wait()
			if m := metric(a.meters.streams); m != 0 {
				t.Errorf("%s: %d streams are open", name, m)
			}
		})
	}
	f("nobody there", addrB, 2*time.Second, 0)
	f("silent", addrC, 2*time.Second, 2*time.Second)
	f("no time", addrC, -time.Second, 0)
	f("malformed", "::::", time.Second, 0)
	f("empty", "", time.Second, 0)
}

func TestGateLetsNothingPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, _ := n.node(t, addrA, Config{})
		b, _ := n.node(t, addrB, Config{})
		n.swallow(t, addrC)
		near, err := a.DialTimeout(addrB, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		far := <-b.StreamCh()
		_, _ = a.WriteTo([]byte("1"), addrB) // waits for memberlist at b
		_, _ = b.WriteTo([]byte("1"), addrC) // waits for a silent peer
		_, _ = b.WriteTo([]byte("2"), addrC)
		synctest.Wait()
		start := time.Now()
		b.SetGate(true)
		if d := time.Since(start); d != 0 {
			t.Errorf("closing took %s", d)
		}
		if _, err := far.Read(make([]byte, 1)); err != errGate {
			t.Errorf("read from open stream: %v", err)
		}
		if _, err := near.Read(make([]byte, 1)); err == nil {
			t.Error("the peer's end of a stream still reads")
		}
		_, _ = a.WriteTo([]byte("2"), addrB)
		_, _ = b.WriteTo([]byte("3"), addrA)
		if _, err := a.DialTimeout(addrB, time.Second); err == nil {
			t.Error("stream in")
		}
		if _, err := b.DialTimeout(addrA, time.Second); !errors.Is(err, errGate) {
			t.Errorf("stream out: %v", err)
		}
		synctest.Wait()
		select {
		case p := <-a.PacketCh():
			t.Errorf("packet out: %q", p.Buf)
		case p := <-b.PacketCh():
			t.Errorf("packet in: %q", p.Buf)
		default:
		}
		if m := metric(b.meters.rxFailed) + metric(b.meters.txFailed); m != 4 {
			t.Errorf("%d packets failed at the gate, want 4", m)
		}
		if m := metric(b.meters.refused.WithLabelValues(refusedClosed)); m != 2 {
			t.Errorf("%d requests refused, want 2", m)
		}
		b.SetGate(true)
		b.SetGate(false)
		b.SetGate(false)
		_, _ = a.WriteTo([]byte("in"), addrB)
		_, _ = b.WriteTo([]byte("out"), addrA)
		if in, out := <-b.PacketCh(), <-a.PacketCh(); string(in.Buf) != "in" || string(out.Buf) != "out" {
			t.Errorf("after opening: %q, %q", in.Buf, out.Buf)
		}
		_ = b.Shutdown()
		b.SetGate(false)
		_, _ = b.WriteTo([]byte("late"), addrA)
		if b.enter() != nil || metric(b.meters.streams) != 0 {
			t.Error("the gate opens after Shutdown")
		}
	})
}

// A node that does not know yet that it was paused says and hears nothing.
func TestStaleNodeIsMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stale atomic.Bool
		n := newMemNet()
		a, _ := n.node(t, addrA, Config{})
		b, _ := n.node(t, addrB, Config{Stale: stale.Load})
		near, err := a.DialTimeout(addrB, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		far := <-b.StreamCh()
		_, _ = near.Write([]byte("hello"))
		synctest.Wait()
		stale.Store(true)
		if _, err := far.Read(make([]byte, 5)); err != errGate {
			t.Errorf("read: %v", err)
		}
		if _, err := far.Write([]byte("x")); err != errGate {
			t.Errorf("write: %v", err)
		}
		_, _ = a.WriteTo([]byte("in"), addrB)
		_, _ = b.WriteTo([]byte("out"), addrA)
		synctest.Wait()
		select {
		case <-a.PacketCh():
			t.Error("packet out")
		case <-b.PacketCh():
			t.Error("packet in")
		default:
		}
		if _, err := a.DialTimeout(addrB, time.Second); err == nil {
			t.Error("stream in")
		}
		near.Close()
	})
}

func TestConnectionCutIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, _ := n.node(t, addrA, Config{})
		n.swallow(t, addrC)
		start := time.Now()
		_, err := a.DialTimeout(addrC, time.Hour)
		if d := time.Since(start); err == nil || d > 5*time.Second {
			t.Errorf("%v after %s", err, d)
		}
	})
}

// Ten thousand attempts from one address leave room for everybody else.
func TestStreamFloodDoesNotStarveGossip(t *testing.T) {
	attempts := 10_000
	if testing.Short() {
		attempts = 1000
	}
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, _ := n.node(t, addrA, Config{})
		b, _ := n.node(t, addrB, Config{})
		c, _ := n.node(t, addrC, Config{})
		echo(t, b)
		var opened, refused atomic.Int64
		var wg sync.WaitGroup
		for range attempts {
			wg.Go(func() {
				conn, err := a.DialTimeout(addrB, 2*time.Second)
				if err != nil {
					refused.Add(1)
					return
				}
				opened.Add(1)
				time.Sleep(3 * time.Second)
				conn.Close()
			})
		}
		synctest.Wait()
		_, _ = c.WriteTo([]byte("gossip"), addrB)
		if p := <-b.PacketCh(); string(p.Buf) != "gossip" {
			t.Errorf("got %q", p.Buf)
		}
		conn, err := c.DialTimeout(addrB, time.Second)
		if err != nil {
			t.Fatalf("a good peer's stream: %v", err)
		}
		_, _ = conn.Write([]byte("ping"))
		if _, err := io.ReadFull(conn, make([]byte, 4)); err != nil {
			t.Errorf("a good peer's ping: %v", err)
		}
		conn.Close()
		wg.Wait()
		if o, r := int(opened.Load()), int(refused.Load()); o != 32 || o+r != attempts {
			t.Errorf("%d opened, %d refused", o, r)
		}
	})
}

func TestFinalAdvertiseAddr(t *testing.T) {
	f := func(configured, ip string, port int, want string) {
		t.Helper()
		cfg := Config{}
		if configured != "" {
			cfg.Advertise = tcpAddr(configured).AddrPort()
		}
		tr := New(cfg)
		gotIP, gotPort, err := tr.FinalAdvertiseAddr(ip, port)
		got := fmt.Sprint(gotIP, gotPort, err)
		if got != want {
			t.Errorf("%q %q %d: %s, want %s", configured, ip, port, got, want)
		}
		_ = tr.Shutdown()
	}
	f(addrA, "", 0, "10.0.0.1 80 <nil>")
	f(addrA, "10.1.1.1", 7946, "10.0.0.1 80 <nil>") // memberlist's default port is no wish of anybody
	f("", "::ffff:10.1.1.1", 1, "10.1.1.1 1 <nil>")
	f("", "fe80::1", 1, "fe80::1 1 <nil>")
	f("", "", 1, "<nil> 0 advertise address is missing")
	f("", "10.1.1.1", 0, "<nil> 0 advertise address is missing")
	f("", "host", 1, `<nil> 0 read advertise address: ParseAddr("host"): unable to parse IP`)
}

func TestEveryMetricIsRegisteredAndLeaves(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	for range 2 {
		tr := New(Config{Registry: reg})
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range families {
			got = append(got, strings.TrimPrefix(f.GetName(), "cluster_transport_")+" "+strings.ToLower(f.GetType().String()))
		}
		want := strings.Split(strings.TrimSpace(`
refused_requests_total counter
rx_bytes_total counter
rx_packet_queue_length gauge
rx_packets_failed_total counter
rx_packets_total counter
stream_rx_bytes_total counter
stream_rx_packets_failed_total counter
stream_rx_packets_total counter
stream_tx_bytes_total counter
stream_tx_packets_failed_total counter
stream_tx_packets_total counter
streams gauge
tx_bytes_total counter
tx_packet_queue_length gauge
tx_packets_failed_total counter
tx_packets_total counter`), "\n")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		_ = tr.Shutdown()
		if families, _ := reg.Gather(); len(families) != 0 {
			t.Errorf("%d families are left", len(families))
		}
	}
}
