package index

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// Finding is a pinned file of which the index says something else today.
type Finding struct {
	Pin Pin
	// Yanked says that upstream withdrew it, for Reason (may be empty). It can
	// still be fetched.
	Yanked bool
	Reason string
	// Gone says that the index no longer lists it.
	Gone bool
	// Now is the sha256 that the index gives for it, when it is another one.
	Now string
}

func (f Finding) String() string {
	switch {
	case f.Gone:
		return fmt.Sprintf("%s is no longer on the index; run `sparkwheel lock --upgrade=%s`, or keep what was fetched in a bundle", f.Pin.File, f.Pin.Name)
	case f.Now != "":
		return fmt.Sprintf("%s was replaced on the index: sha256 is now %s, pinned is %s; run `sparkwheel lock --upgrade=%s`", f.Pin.File, f.Now, f.Pin.SHA256, f.Pin.Name)
	case f.Reason != "":
		return fmt.Sprintf("%s was yanked upstream (%s); run `sparkwheel lock --upgrade=%s`", f.Pin.File, f.Reason, f.Pin.Name)
	}
	return fmt.Sprintf("%s was yanked upstream; run `sparkwheel lock --upgrade=%s`", f.Pin.File, f.Pin.Name)
}

// Audit asks the index about every pin, up to jobs distributions at a time,
// and returns what is yanked, gone or replaced, in the order of pins.
func (c *Client) Audit(ctx context.Context, pins []Pin, jobs int) ([]Finding, error) {
	found := make([]*Finding, len(pins))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(jobs, 1))
	for i, pin := range pins {
		g.Go(func() (err error) {
			found[i], err = c.audit(ctx, pin)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var all []Finding
	for _, f := range found {
		if f != nil {
			all = append(all, *f)
		}
	}
	return all, nil
}

func (c *Client) audit(ctx context.Context, pin Pin) (*Finding, error) {
	files, err := c.Files(ctx, pin.Name)
	if _, ok := errors.AsType[*NotFoundError](err); ok {
		return &Finding{Pin: pin, Gone: true}, nil
	}
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(files, func(f File) bool { return f.Name == pin.File })
	switch {
	case i < 0:
		return &Finding{Pin: pin, Gone: true}, nil
	case files[i].SHA256 != "" && files[i].SHA256 != pin.SHA256:
		return &Finding{Pin: pin, Now: files[i].SHA256}, nil
	case files[i].Yanked:
		return &Finding{Pin: pin, Yanked: true, Reason: files[i].YankedReason}, nil
	}
	return nil, nil
}
