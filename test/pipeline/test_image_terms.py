"""Images, from real CDR bytes: encodings, crop, size, channels, dtype, frames."""

import io
import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from both_ways import build_both_ways
from ros_messages import cdr, header

from fournex_runtime.errors import MessageError, MissingDependencyError, WiringError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.pipeline.observation import LastAction, ObservationPipeline
from fournex_runtime.pipeline.ports import Port, Source
from fournex_runtime.pipeline.resampling import resize
from fournex_runtime.policy.contract import parse_contract

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
NOTHING = LastAction(np.zeros(1), np.zeros(1))


class Camera:
    """One image term, alone in its input."""

    def __init__(self, term, kind=IMAGE, dtype='float32', more=''):
        contract = parse_contract(f"""\
name: t
version: 1
period: 10 ms
inputs: {{obs: {{dtype: {dtype}, {more} terms: [{{term: image, {term}}}]}}}}
outputs: {{action: [{{term: value, size: 1}}]}}
artifact: {{file: policy.onnx, sha256: '{'0' * 64}', backend: onnx}}
""")
        self.kind = kind
        ports = [Port('image', '', 0, '', (), 1)]
        sources = [Source('image', kind)]
        self.pipeline = ObservationPipeline(contract, sources, ports, messages(), None)
        self.history = {}

    def __call__(self, data):
        found = build_both_ways(self.pipeline, [self.kind], [data], NOTHING, self.history)
        self.history = found.history
        return found.inputs['obs'][0]


def image(pixels, encoding='rgb8', padding=0, big=False):
    """Return an Image message of an array, rows padded as cameras do."""
    pixels = np.asarray(pixels)
    rows = pixels.astype(pixels.dtype.newbyteorder('>' if big else '<')).tobytes()
    height, width = pixels.shape[:2]
    step = len(rows) // height
    data = b''.join(
        rows[row * step : (row + 1) * step] + b'\xaa' * padding for row in range(height)
    )
    return cdr(
        IMAGE,
        header=header(),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(big),
        step=step + padding,
        data=np.frombuffer(data, np.uint8),
    )


def term(height, width, channels='rgb', layout='hwc', values='0-255', size='none', more=''):
    return (
        f'height: {height}, width: {width}, channels: {channels}, layout: {layout}, '
        f'range: {values}, resize: {size}{more}'
    )


RGB = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 10


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(
    ('encoding', 'channels', 'order'),
    [('rgb8', 'rgb', 1), ('bgr8', 'rgb', -1), ('rgb8', 'bgr', -1), ('bgr8', 'bgr', 1)],
)
@pytest.mark.parametrize('layout', ['hwc', 'chw'])
def test_pixels_go_through_whole(padding, encoding, channels, order, layout):
    camera = Camera(term(2, 3, channels, layout), dtype='uint8')
    found = camera(image(RGB, encoding, padding))
    expected = RGB[:, :, ::order]
    assert found.dtype == np.uint8 and found.flags['C_CONTIGUOUS']
    np.testing.assert_array_equal(
        found, expected if layout == 'hwc' else expected.transpose(2, 0, 1)
    )


def test_range_then_channels_arithmetic():
    camera = Camera(term(2, 3, layout='chw', values='0-1', more=', relative_to: [0.5, 0, 0], '
                         'scale: [2, 1, 10]'))  # fmt: skip
    found = camera(image(RGB))
    expected = (RGB / 255.0 - [0.5, 0.0, 0.0]) * [2.0, 1.0, 10.0]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected.transpose(2, 0, 1).astype(np.float32))


def test_grey_is_bt601():
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    for encoding, order in (('rgb8', 1), ('bgr8', -1)):
        camera = Camera(term(1, 4, 'gray'), dtype='uint8')
        found = camera(image(pixels[:, :, ::order], encoding))
        assert found.ravel().tolist() == [76, 150, 29, 255]
    grey = np.array([[1, 2, 3, 4]], np.uint8)
    assert camera(image(grey, 'mono8')).tolist() == [[[1], [2], [3], [4]]]


def test_crop_then_area_by_hand():
    pixels = np.zeros((4, 5, 3), np.uint8)
    pixels[1:3, 1:5, 0] = [[10, 20, 30, 41], [10, 21, 30, 40]]
    camera = Camera(term(1, 2, size='area', more=', crop: [1, 1, 2, 4]'), dtype='uint8')
    assert camera(image(pixels))[0, :, 0].tolist() == [15, 35]  # 15.25, 35.25


def test_depths_are_metres_and_holes_are_filled():
    far = Camera(term(1, 3, 'depth', values='metres', more=', fill: 9.0, clip: [0, 5]'))
    millimetres = np.array([[0, 1500, 65535]], np.uint16)
    for big in (False, True):
        assert far(image(millimetres, '16UC1', big=big)).ravel().tolist() == [5.0, 1.5, 5.0]
    metres = np.array([[np.nan, 1.25, np.inf]], np.float32)
    assert far(image(metres, '32FC1', padding=3)).ravel().tolist() == [5.0, 1.25, 5.0]


@pytest.mark.parametrize('layout', ['chw', 'hwc'])
@pytest.mark.parametrize('order', ['oldest_first', 'newest_first'])
def test_frames_stand_along_the_channels(layout, order):
    more = f'history: 3, history_layout: time, order: {order},'
    camera = Camera(term(1, 2, 'gray', layout), dtype='uint8', more=more)
    for level in (1, 2, 3, 4):
        found = camera(image(np.full((1, 2), level, np.uint8), 'mono8'))
        if level == 1:
            assert (found == 1).all()  # filled with the first one
    newest = [2, 3, 4] if order == 'oldest_first' else [4, 3, 2]
    pixel = found[:, 0, 0] if layout == 'chw' else found[0, 0, :]
    assert pixel.tolist() == newest
    assert found.shape == ((3, 1, 2) if layout == 'chw' else (1, 2, 3))


def test_frames_can_be_an_axis_of_their_own():
    more = 'shape: [2, 1, 2, 1], history: 2, history_layout: time, order: oldest_first,'
    camera = Camera(term(1, 2, 'gray'), dtype='uint8', more=more)
    camera(image(np.array([[1, 2]], np.uint8), 'mono8'))
    found = camera(image(np.array([[3, 4]], np.uint8), 'mono8'))
    assert found[..., 0].tolist() == [[[1, 2]], [[3, 4]]]


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (image(RGB, 'yuv422'), "the image has encoding 'yuv422', expected one of rgb8, bgr8"),
        (image(RGB[:, :2]), 'the image is 2 x 2 pixels, the contract wants 3 x 2 and no resizing'),
        (image(RGB[:, :, 0], 'mono8'), 'the image is grey, the contract wants rgb'),
        (cdr(IMAGE, height=2, width=3, encoding='rgb8', step=9, data=np.zeros(17, np.uint8)),
         '17 bytes are no image of 2 rows of 3 pixels (rgb8, step 9)'),
        (cdr(IMAGE, height=2, width=3, encoding='rgb8', step=8, data=np.zeros(16, np.uint8)),
         '16 bytes are no image of 2 rows'),
        (cdr(IMAGE, encoding='rgb8'), '0 bytes are no image of 0 rows'),
    ],
)  # fmt: skip
def test_images_that_do_not_fit(data, words):
    with pytest.raises(MessageError) as caught:
        Camera(term(2, 3))(data)
    assert words in str(caught.value)


def test_a_crop_must_lie_in_the_image():
    camera = Camera(term(1, 1, size='nearest', more=', crop: [0, 2, 2, 2]'))
    with pytest.raises(MessageError, match='3 x 2 pixels, too small for the crop of 2 x 2 at 2'):
        camera(image(RGB))


def test_an_image_is_read_from_images_only():
    with pytest.raises(WiringError, match='cannot be read from sensor_msgs/msg/LaserScan'):
        Camera(term(2, 3), 'sensor_msgs/msg/LaserScan')


# --- compressed ----------------------------------------------------------------------------------


def compressed(pixels, kind='PNG'):
    pillow = pytest.importorskip('PIL.Image')
    file = io.BytesIO()
    pillow.fromarray(pixels).save(file, kind)
    data = np.frombuffer(file.getvalue(), np.uint8)
    return cdr(COMPRESSED, format=kind.lower(), data=data)


def test_png_is_lossless_and_jpeg_is_near():
    camera = Camera(term(2, 3, layout='chw'), COMPRESSED, 'uint8')
    np.testing.assert_array_equal(camera(compressed(RGB)), RGB.transpose(2, 0, 1))
    plain = np.full((16, 16, 3), 100, np.uint8)
    near = Camera(term(16, 16), COMPRESSED, 'uint8')(compressed(plain, 'JPEG'))
    assert abs(near.astype(int) - 100).max() <= 2
    depth = Camera(term(1, 2, 'depth', values='metres', more=', fill: 0'), COMPRESSED)
    millimetres = np.array([[250, 1000]], np.uint16)
    assert depth(compressed(millimetres)).ravel().tolist() == [0.25, 1.0]


@pytest.mark.parametrize('layout', ['hwc', 'chw'])
def test_a_camera_that_changes_its_images_is_followed(layout):
    wanted = term(2, 2, layout=layout, size='nearest', more=', crop: [0, 1, 4, 4]')
    camera = Camera(wanted, dtype='uint8')
    large = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    other = large[:, ::-1].copy()
    changes = [
        image(large), image(other), image(large, padding=4), image(other, padding=4),
        image(large[:, :5]), image(large, 'bgr8'), image(other, 'bgr8'), image(large),
    ]  # fmt: skip
    for data in changes:
        np.testing.assert_array_equal(camera(data), Camera(wanted, dtype='uint8')(data))
    np.testing.assert_array_equal(camera(image(other)), camera(image(other[..., ::-1], 'bgr8')))


@pytest.mark.parametrize('data', [b'', b'not an image', b'GIF89a' + bytes(40)])
def test_bytes_that_are_no_image(data):
    pytest.importorskip('PIL.Image')
    camera = Camera(term(2, 3), COMPRESSED)
    with pytest.raises(MessageError, match='bytes .png. are no PNG or JPEG image'):
        camera(cdr(COMPRESSED, format='png', data=np.frombuffer(data, np.uint8)))


def test_a_cut_off_png_is_refused():
    whole = messages().decode(compressed(np.zeros((64, 64, 3), np.uint8)), COMPRESSED)
    half = cdr(COMPRESSED, format='png', data=whole.data[: len(whole.data) // 2].copy())
    with pytest.raises(MessageError, match='are no PNG or JPEG image'):
        Camera(term(64, 64), COMPRESSED)(half)


def test_without_pillow_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'PIL', None)
    with pytest.raises(MissingDependencyError, match='pip install pillow'):
        Camera(term(2, 3), COMPRESSED)
    Camera(term(2, 3), IMAGE)  # raw images do without


# --- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('size', [(7, 5), (3, 4), (24, 31), (12, 10)])
def test_area_is_the_exact_mean_rounded(size):
    pixels = np.random.default_rng(1).integers(0, 256, (12, 10, 3), np.uint8)
    height, width = size
    fine = pixels.astype(np.int64).repeat(height, 0).repeat(width, 1)  # every bound is on a cell
    means = fine.reshape(height, 12, width, 10, 3).mean(axis=(1, 3))
    found = resize(pixels, height, width, 'area')
    assert found.dtype == np.uint8 and found.shape == (height, width, 3)
    assert abs(found - means).max() <= 0.5 + 1e-9


def test_area_rounds_halves_up():
    assert resize(np.array([[1, 2]], np.uint8), 1, 1, 'area').tolist() == [[2]]


OPENCV = (
    (14, 18, [0, 0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 10, 10, 11, 12, 13]),
    (22, 18, [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 14, 15, 17, 18, 19, 20]),
    (26, 10, [0, 2, 5, 7, 10, 12, 15, 18, 20, 23]),
)
"""Columns that cv2.resize(..., interpolation=cv2.INTER_NEAREST) of OpenCV 4.10 and 5.0 takes."""


def shares(index, found, wanted):
    """Return which pixels a pixel of another size covers, and what part of it each makes up."""
    begin, end = Fraction(index * found, wanted), Fraction((index + 1) * found, wanted)
    parts = {
        pixel: (min(end, pixel + 1) - max(begin, pixel)) / (end - begin) for pixel in range(found)
    }
    return {pixel: part for pixel, part in parts.items() if part > 0}


def test_area_of_any_size_against_exact_fractions():
    rng = np.random.default_rng(5)
    for _ in range(30):
        rows, columns, height, width = (int(one) for one in rng.integers(1, 14, 4))
        pixels = rng.integers(0, 256, (rows, columns), np.uint8)
        found = resize(pixels, height, width, 'area')
        for row in range(height):
            down = shares(row, rows, height)
            for column in range(width):
                across = shares(column, columns, width)
                mean = sum(
                    a * b * int(pixels[y, x]) for y, a in down.items() for x, b in across.items()
                )
                assert found[row, column] == math.floor(mean + Fraction(1, 2))


def test_nearest_centre_is_that_of_pillow_where_a_sample_falls_between_pixels_too():
    pillow = pytest.importorskip('PIL.Image')
    sizes = [(640, 84), (480, 84), (5, 1), (1, 7), (210, 84), (7, 21), (1280, 224)]
    sizes += [tuple(map(int, one)) for one in np.random.default_rng(2).integers(1, 130, (200, 2))]
    for found, wanted in sizes:
        row = np.arange(found, dtype=np.int32)[np.newaxis]
        theirs = pillow.fromarray(row).resize((wanted, 1), pillow.Resampling.NEAREST)
        np.testing.assert_array_equal(resize(row, 1, wanted, 'nearest_centre'), theirs)
    pixels = np.random.default_rng(2).integers(0, 256, (12, 10, 3), np.uint8)
    theirs = pillow.fromarray(pixels).resize((31, 24), pillow.Resampling.NEAREST)
    np.testing.assert_array_equal(resize(pixels, 24, 31, 'nearest_centre'), theirs)


def test_nearest_is_that_of_opencv_where_a_sample_falls_between_pixels_too():
    row = np.arange(200, dtype=np.uint8)[np.newaxis]
    for found, wanted, theirs in OPENCV:
        assert resize(row[:, :found], 1, wanted, 'nearest').ravel().tolist() == theirs


def test_nearest_takes_the_floor():
    row = np.array([[10, 20, 30, 40, 50]], np.uint8)
    assert resize(row, 1, 2, 'nearest').tolist() == [[10, 30]]
    assert resize(row, 1, 2, 'nearest_centre').tolist() == [[20, 40]]
