"""Times torch.distributed's Gloo all-reduce between processes of this machine, as JSON lines.

    pip install torch    # the CPU build is enough
    python3 Benchmarks/peers/gloo.py --workers 2
"""
import argparse
import json
import os
import socket
import statistics
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def work(rank, options, port):
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = "127.0.0.1", str(port)
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=options.workers)
    for size in options.sizes:
        tensor = torch.full((size // 4,), float(rank + 1))
        repeats = max(1, min(64, (1 << 24) // size))
        times = []
        end = time.monotonic() + options.seconds
        running = torch.ones(1)
        while running.item():
            tensor.fill_(float(rank + 1))
            dist.barrier()
            start = time.perf_counter()
            for _ in range(repeats):
                dist.all_reduce(tensor)
            times.append((time.perf_counter() - start) / repeats * 1e6)
            # All ranks stop after the same round.
            running[0] = 1.0 if len(times) < 5 or time.monotonic() < end else 0.0
            dist.broadcast(running, 0)
        if rank == 0:
            times = times[2:]
            print(json.dumps({"what": "gloo", "workers": options.workers, "bytes": size, "p50_us": round(statistics.median(times), 1),
                              "min_us": round(min(times), 1), "steps": len(times), "repeats": repeats}), flush=True)
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sizes", type=lambda text: [int(s) for s in text.split(",")],
                        default=[4096, 65536, 1048576, 16777216, 67108864, 268435456])
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(work, args=(options, port), nprocs=options.workers)


if __name__ == "__main__":
    main()
