# SPDX-License-Identifier: Apache-2.0
"""More models than memory: a stream of requests, and whether those who had to go were the ones that the policy names.

The policy (src/manager/memory_plan.h): who costs least goes, load time over idle time, a byte. The models of the stream
are of one size and have one caller, so that a load has exactly one of them go, and both times are known from outside:
the load time from the log to a millisecond, the idle time to the length of the request that wants room. Where these
leave it open who costs least, any of them may go.
"""
import random


def draw(models, requests, seed):
    """Numbers of models, skewed: the n-th most popular is wanted 1/n as often as the first."""
    rng = random.Random(seed)
    popular = list(range(models))
    rng.shuffle(popular)
    return rng.choices(popular, [1 / (place + 1) for place in range(models)], k=requests)


class Evictions:
    """What came of a stream: the timer's lines, a dict a request."""

    def __init__(self, lines, names, room):
        self.room = room
        self.names = {name: number for number, name in enumerate(names)}
        self.failures = sum(line["failed"] for line in lines)
        self.requests, self.loads = len(lines), 0
        self.clear = self.open = 0  # evictions of the one that costs least; of one of those that may
        self.wrong = []  # what was done against the policy
        self.used, self.load_ms = {}, {}  # of the models that are loaded
        for number, line in enumerate(lines):
            self.follow(number, line)

    def follow(self, number, line):
        gone = [self.names[text.split()[1].rstrip(":")] for text in line["log"] if text.startswith("released ")]
        came = [text for text in line["log"] if text.startswith("loaded ")]
        missing = line["model"] not in self.used
        wanted = 1 if missing and len(self.used) >= self.room else 0
        if len(gone) != wanted or len(came) != missing:
            self.wrong.append(f"request {number}: {len(came)} loaded, {len(gone)} released")
        for victim in gone:
            self.judge(number, line, victim)
        if came:
            self.loads += 1
            self.load_ms[line["model"]] = int(came[-1].split()[-2])
        self.used[line["model"]] = line["ended_us"]

    def costs(self, line):
        """Model to the least and the most that its load time over its idle time may have been."""
        spans = {}
        for model, ended in self.used.items():
            least, most = line["begun_us"] - ended, line["ended_us"] - ended
            spans[model] = self.load_ms[model] / most, (self.load_ms[model] + 1) / max(least, 1e-3)
        return spans

    def judge(self, number, line, victim):
        spans = self.costs(line)
        if victim not in spans:
            self.wrong.append(f"request {number}: released {victim}, which was not there")
            return
        others = [span for model, span in spans.items() if model != victim]
        if any(most < spans[victim][0] for _, most in others):
            self.wrong.append(f"request {number}: released {victim}, and another one costs less")
        elif all(least > spans[victim][1] for least, _ in others):
            self.clear += 1
        else:
            self.open += 1
        del self.used[victim]

    def hits(self):
        return self.requests - self.loads


def hits_of_recent(stream, room):
    """With who was not used for longest going."""
    held, hits = [], 0
    for model in stream:
        if model in held:
            hits += 1
            held.remove(model)
        elif len(held) == room:
            held.pop(0)
        held.append(model)
    return hits


def hits_of_foresight(stream, room):
    """With who will not be used for longest going: nobody can do better."""
    held, hits = set(), 0
    for number, model in enumerate(stream):
        if model in held:
            hits += 1
            continue
        if len(held) == room:
            rest = stream[number + 1:]
            held.remove(max(held, key=lambda other: rest.index(other) if other in rest else len(stream)))
        held.add(model)
    return hits
