"""A batch job with a known appetite: about 20 MB at its peak, nothing kept afterwards."""


def load(blocks):
    return [bytearray(100_000) for _ in range(blocks)]


def main():
    data = load(200)
    print(sum(len(block) for block in data), "bytes worked on")


if __name__ == "__main__":
    main()
