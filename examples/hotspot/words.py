"""Counts distinct words twice: with a list, which looks at every word again and again, and with a set."""
import random


def distinct_slowly(words):
    seen = []
    for word in words:
        if word not in seen:
            seen.append(word)
    return len(seen)


def distinct_quickly(words):
    return len(set(words))


def main():
    random.seed(1)
    words = [str(random.randrange(4000)) for _ in range(40000)]
    assert distinct_slowly(words) == distinct_quickly(words)
    print(distinct_quickly(words), "distinct words")


if __name__ == "__main__":
    main()
