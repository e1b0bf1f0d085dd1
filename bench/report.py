# SPDX-License-Identifier: Apache-2.0
"""Judges the rows and writes them down: the table of bars, then every side of every row."""
import datetime
import importlib.metadata
import os
import platform
import statistics
import subprocess

COSINE_BAR = 0.99  # a peer below it does not count as doing the same work
ENOUGH = 0.85  # of the limit: nobody can be asked to be far faster than that
MIB = 2.0**20


def median(values):
    return statistics.median(values) if values else None


def time_text(seconds):
    return "-" if seconds is None else f"{seconds * 1000:.2f} ms" if seconds < 0.1 else f"{seconds * 1000:,.0f} ms"


def share_text(share):
    return "-" if share is None else f"{share * 100:.1f} %"


def least_time(row):
    """Seconds that the row's work takes at the machine's measured rates: its limit. A row's `parts`, (operations, bytes),
    follow one another, each at the product rate or at the rate of reads, whichever takes longer; `flops` is one such part."""
    peak, reads = median(row.get("peaks", [])), median(row.get("reads", []))
    parts = row.get("parts") or ([(row["flops"], 0)] if "flops" in row else [])
    if not parts or not peak or (not reads and any(read for _, read in parts)):
        return None
    return sum(max(flops / (peak * 1e9), read / (reads * 1e9) if read else 0) for flops, read in parts)


def share(row, seconds):
    """Part of the machine's limit: least time of the row's work at the measured rates, over the time taken."""
    least = least_time(row)
    return least / seconds if least and seconds else None


def our_share(row):
    """Ours is judged by what the Result says the request took: text in to vectors out, as the peers are timed."""
    ours = row.get("ours")
    if not ours:
        return None
    return share(row, median(ours["total"] if row["kind"] == "batch" else ours["rounds"]))


def fastest(row):
    """(name, seconds) of the fastest peer that computes the same vectors."""
    able = [
        (median(side["rounds"]), name) for name, side in row["sides"].items()
        if side["rounds"] and (side["cosine"] is None or side["cosine"] > COSINE_BAR)
    ]
    return min(able)[::-1] if able else (None, None)


def peer_time(row, target):
    if target == "best":
        return fastest(row)
    for name, side in row["sides"].items():
        if name == f"{target} {row['dtype']}" and side["rounds"]:
            return name, median(side["rounds"])
    return None, None


def judge(row):
    """One dict a bar: bar, measured, met (None: could not be measured), way: what a bar that is met was met by."""
    if row["kind"] == "memory":
        used = row["resident"]
        return [{"bar": f"at most {row['bound'] / MIB:.0f} MiB (1.15 x weights + 48 MiB)", "share": "-",
                 "measured": f"{used / MIB:.0f} MiB ({row['anonymous'] / MIB:.0f} anonymous)", "met": used <= row["bound"]}]
    ours = row.get("ours")
    ours_time = median(ours["rounds"]) if ours else None
    part = our_share(row) if row["kind"] != "start" else None
    judged = []
    for target, factor in row["bars"]:
        way = "share"
        if target == "limit":
            bar, measured = f"{factor * 100:.0f} % of the limit", share_text(part)
            met = None if part is None else part >= factor
        else:
            name, seconds = peer_time(row, target)
            bar = f"{factor:g} x {'the best peer' if target == 'best' else target}"
            if seconds is None or ours_time is None:
                measured, met = ("no peer" if seconds is None else f"{name} {time_text(seconds)}"), None
            else:
                ratio = seconds / ours_time
                measured = f"{ratio:.2f} x {name} ({time_text(ours_time)} to {time_text(seconds)})"
                met = ratio >= factor or (part is not None and part >= ENOUGH)
                way = "ratio" if ratio >= factor else "share"
        judged.append({"bar": bar, "measured": measured, "share": share_text(part), "met": met, "way": way})
    return judged


def met_text(bar):
    """How a bar came out, and whether by its ratio or by the share of the limit."""
    if bar["met"] is None:
        return "not measured"
    if not bar["met"]:
        return "NO"
    return f"yes, by {bar['way']}" if bar.get("way") else "yes"


def table(results):
    lines = ["| work (2 threads) | bar | measured | our share of the limit | met |", "|---|---|---|---|---|"]
    for row in results:
        for bar in judge(row):
            lines.append(f"| {row['title']} | {bar['bar']} | {bar['measured']} | {bar['share']} | {met_text(bar)} |")
    return "\n".join(lines)


def side_lines(row):
    """The lines of a row's own table: us first, then the peers from fast to slow."""
    sides = []
    if row.get("ours"):
        ours = row["ours"]
        how = "`mm task`, JSON in and out"
        if row["kind"] == "query":
            how = "inside the process"
        sides.append(("**ours**", ours["rounds"], ours["cosine"], how))
        for key, words in (("total", "the Result's timing.total_ms"), ("compute", "the Result's timing.compute_ms"),
                           ("transport", "`mm task`, JSON in and out")):
            if ours.get(key):
                sides.append(("ours", ours[key], None, words))
    peers = [(name, s["rounds"], s["cosine"], setting_text(s["setting"])) for name, s in row["sides"].items() if s["rounds"]]
    return sides + sorted(peers, key=lambda side: median(side[1]))


def setting_text(setting):
    return ", ".join(f"{key} {value}" for key, value in setting.items()) or "plain"


def row_text(row):
    """A row for the terminal."""
    lines = [f"\n{row['title']}"]
    if row["kind"] != "memory":
        for name, rounds, cosine, how in side_lines(row):
            part = share_text(share(row, median(rounds)))
            near = "" if cosine is None else f"cos {cosine:.7f}"
            lines.append(f"  {name.strip('*'):26} {time_text(median(rounds)):>12} {part:>8}  {near:14} {how}")
    for bar in judge(row):
        lines.append(f"  {bar['bar']}: {bar['measured']}: {met_text(bar)}")
    return "\n".join(lines)


def details(row):
    if row["kind"] == "memory":
        return ""
    lines = [f"### {row['title']}", ""]
    if row.get("flops"):
        peaks = row["peaks"]
        peak = f"{median(peaks):.0f} GFLOP/s (from {min(peaks):.0f} to {max(peaks):.0f})" if peaks else "not measured"
        lines += [f"{row['flops'] / 1e9:.2f} GFLOP of products over real tokens; product peak {peak}.", ""]
    if row.get("idle"):
        lines += [f"The sides that were not being timed used up to {row['idle'] * 100:.0f} % of a core meanwhile.", ""]
    lines += ["| side | median | fastest and slowest round | share of the limit | lowest cosine | setting |",
              "|---|---|---|---|---|---|"]
    for name, rounds, cosine, how in side_lines(row):
        near = "-" if cosine is None else f"{cosine:.7f}"
        spread = f"{time_text(min(rounds))} to {time_text(max(rounds))}"
        lines.append(f"| {name} | {time_text(median(rounds))} | {spread} | {share_text(share(row, median(rounds)))} | {near} | {how} |")
    return "\n".join(lines) + "\n"


def field(path, name):
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith(name):
                return line.partition(":")[2].strip() if ":" in line else line.partition("=")[2].strip().strip('"')
    return "unknown"


def machine(bench):
    flags = field("/proc/cpuinfo", "flags").split()
    shown = [flag for flag in ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if flag in flags]
    memory = int(field("/proc/meminfo", "MemTotal").split()[0]) / 1024**2
    cpu = field("/proc/cpuinfo", "model name")
    detail = f"family {field('/proc/cpuinfo', 'cpu family')}, model {int(field('/proc/cpuinfo', 'model	'))}"
    lines = [f"- processor: {cpu} ({detail}), {os.cpu_count()} cores; {' '.join(shown)}",
             f"- memory: {memory:.0f} GiB" + (f", read at {bench.read_gbps:.1f} GB/s" if bench.read_gbps else ""),
             f"- system: {field('/etc/os-release', 'PRETTY_NAME')}, Linux {platform.release().partition('-')[0]}"]
    return "\n".join(lines)


def versions(bench):
    names = ["sentence-transformers", "transformers", "torch", "onnxruntime", "openvino", "ctranslate2", "tokenizers"]
    peers = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    ours = "not built"
    if bench.mm:
        done = subprocess.run([bench.mm, "--version"], capture_output=True, text=True, check=False)
        ours = (done.stdout.strip() or "unknown").splitlines()[0]
    return f"- ours: {ours}\n- peers: {peers}"


METHOD = """\
All sides run at two threads. Each is a process of its own that lives for the whole row; the rounds are interleaved (us, a peer,
the next peer, us, ...), the medians count. A peer is timed from texts to a numpy array inside its process, with its texts
sorted by length and at the best of the batch sizes and stream layouts tried. Ours is timed over `mm task` from the first byte
of the request to the last of the Result, JSON included; a single query is timed inside the process (`mm bench`), as the peers'
are. The limit is 2 x the multiply-adds of the linear and attention products over real tokens, divided by the best packed
product rate of that type at K = N = 1024 on all cores, measured between the rounds. A ratio also counts as met at 85 % of the
limit; the last column says which way a bar was met. Cosines are the lowest over the row's texts (of a single query: over 61 texts of all lengths), against
sentence-transformers in f32; a peer at 0.99 or below is shown but does not count. Memory is all resident bytes, anonymous and mapped, the program's own included."""


OTHERS = "Beside it: `GENERATION.md`, `MANAGER.md`, `TOKENIZERS.md`, `DOWNLOADS.md`."


def document(results, options, bench):
    command = "bench/run"
    if options.quick:
        command += " --quick"
    if options.rounds:
        command += f" --rounds {options.rounds}"
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    parts = ["# Embedding benchmark", "", f"Written by `{command}` (`make bench`) on {date}. {OTHERS}", "", machine(bench),
             versions(bench), "", table(results), ""]
    if bench.remarks:
        parts += ["Remarks of this run:", "", *[f"- {remark}" for remark in bench.remarks], ""]
    parts += ["## How", "", METHOD, "", "## Every side", ""]
    parts += [details(row) for row in results if row["kind"] != "memory"]
    return "\n".join(parts).rstrip() + "\n"
