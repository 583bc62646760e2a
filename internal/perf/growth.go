//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
)

// runGrowth measures a small mailbox beside a large one.
func (p plan) runGrowth(ctx context.Context) error {
	small, err := p.makeMailbox(ctx, "small", p.small)
	if err != nil {
		return err
	}
	large, err := p.makeMailbox(ctx, "large", p.large)
	if err != nil {
		return err
	}
	names := []string{opGet, opPage, opFiltered, opDelta, opDeltaTen, opCreate, opPatch}
	s := samples{}
	for range p.rounds {
		loads := map[*mailbox][]load{}
		for _, m := range []*mailbox{small, large} {
			none, ten, err := m.deltas(ctx)
			if err != nil {
				return err
			}
			loads[m] = []load{m.get(opGet, m.any), m.page(opPage, "?$top=100"), m.page(opFiltered, openTasks), none, ten, m.create(p.clients)(opCreate), m.patch(opPatch, `{"status": "completed", "importance": "%[2]s"}`)}
		}
		for i, name := range names {
			for m, suffix := range map[*mailbox]string{small: "", large: inLarge} {
				x, err := loads[m][i].measure(ctx, p.each)
				if err != nil {
					return err
				}
				s[name+suffix] = append(s[name+suffix], x)
			}
		}
	}
	var rows []string
	for _, n := range names {
		rows = append(rows, n, n+inLarge)
	}
	fmt.Printf("%d tasks, and %d (large)\n", p.small, p.large)
	s.show(os.Stdout, rows)
	var verdicts []verdict
	for _, n := range names {
		goal := 1.5
		if n == opGet {
			goal = 2.5
		}
		verdicts = append(verdicts, verdict{n + ", p50 in the large mailbox beside the small one", s.ratio(n+inLarge, n, p50), false, goal, ""})
	}
	show(os.Stdout, verdicts)
	for _, m := range []*mailbox{small, large} {
		if err := m.server.stop(); err != nil {
			return err
		}
	}
	return nil
}

const inLarge = " (large)"
