"""What the numbers of the messages that came say about those that did not."""

import itertools

import pytest

from fournex_runtime.ros.number_gaps import NumberGaps


def counted(numbers):
    """Return the gaps in these numbers, told as a subscription tells them."""
    gaps, following = NumberGaps(), None
    for number in numbers:
        if number != following:
            gaps.jump(following, number)
        following = number + 1
    return gaps


@pytest.mark.parametrize(
    ('numbers', 'missed'),
    [
        ([7, 8, 9], 0),
        ([7, 9, 10, 20, 21], 10),
        ([500, 501, 1, 2, 3, 5], 1),  # started again
        ([500, 1, 2, 9, *range(10, 520), 530], 16),
    ],
)
def test_of_one_publisher_what_is_left_out_is_missing(numbers, missed):
    gaps = counted(numbers)
    assert (gaps.missed, gaps.several) == (missed, False)


@pytest.mark.parametrize(('first', 'second'), [(100, 500), (500, 100), (1, 3), (3, 1)])
def test_two_publishers_give_themselves_away_and_nothing_is_counted(first, second):
    turns = zip(itertools.count(first), itertools.count(second))
    gaps = counted(itertools.chain.from_iterable(itertools.islice(turns, 5)))
    assert gaps.several and gaps.missed == 0
