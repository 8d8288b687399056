package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// person is somebody with one to three devices, who writes to a few others and to themself.
type person struct {
	w        *world
	name     string
	partners []string
	devices  []*device
}

// knows says whether somebody is the person or writes to them.
func (p *person) knows(name string) bool { return name == p.name || slices.Contains(p.partners, name) }

// makePeople puts people into a ring, in which each writes to the two before and the two after: so that each has
// conversations that are busy, and most others are strangers.
func (w *world) makePeople(ctx context.Context) error {
	n := w.options.People
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("person%02d", i)
	}
	var err error
	if w.numbers, err = w.database.makePeople(ctx, names); err != nil {
		return err
	}
	for i, name := range names {
		p := &person{w: w, name: name}
		for _, step := range []int{1, 2, n - 2, n - 1} {
			if other := names[(i+step)%n]; other != name && !slices.Contains(p.partners, other) {
				p.partners = append(p.partners, other)
			}
		}
		w.people = append(w.people, p)
		random := rand.New(rand.NewPCG(w.options.Seed, uint64(i)))
		for j := range 1 + random.IntN(3) {
			own := rand.New(rand.NewPCG(w.options.Seed, uint64(1000+10*i+j)))
			p.devices = append(p.devices, newDevice(p, fmt.Sprintf("%s/%d", name, j), j%2 == i%2, own))
		}
	}
	return nil
}

func (w *world) devices() (all []*device) {
	for _, p := range w.people {
		all = append(all, p.devices...)
	}
	return all
}

// use is a device in somebody's hands: what it does by itself, and what its person does with it.
func (d *device) use(ctx context.Context) {
	d.w.busy.Go(func() { d.keepWindow(ctx) })
	d.w.busy.Go(func() { d.keepUp(ctx) })
	d.w.busy.Go(func() { d.act(ctx) })
}

// act does one thing after the other, unless people are to do nothing.
func (d *device) act(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, time.Duration(d.random.ExpFloat64()*float64(d.w.options.Pace)))
		if !d.w.gate.enter(ctx) {
			return
		}
		if d.token() != "" {
			d.choose()(ctx)
		}
		d.w.gate.leave()
	}
}

// choose picks what to do next.
func (d *device) choose() func(context.Context) {
	kinds := []struct {
		weight int
		do     func(context.Context)
	}{
		{40, d.send},
		{5, d.sendTwiceAtOnce},
		{6, d.replay},
		{4, d.replayChanged},
		{2, d.sendHalf},
		{10, d.open},
		{8, d.markRead},
		{6, d.look},
		{6, d.readOlder},
		{5, d.readPages},
		{6, d.pry},
		{3, d.reconnect},
		{3, d.signOut},
		{1, d.speak},
		{1, d.shout},
		{1, d.vanish},
	}
	sum := 0
	for _, k := range kinds {
		sum += k.weight
	}
	for at := d.random.IntN(sum); ; kinds = kinds[1:] {
		if at -= kinds[0].weight; at < 0 {
			return kinds[0].do
		}
	}
}

// partner picks whom to do something with; now and then it is the person themself.
func (d *device) partner() string {
	if d.random.IntN(20) == 0 {
		return d.person.name
	}
	return d.person.partners[d.random.IntN(len(d.person.partners))]
}
