"""cocotb bench of the whole accelerator: a compiled network pushed and run over the link, logits compared."""

import os
import random

import cocotb
import numpy as np

from nomul.cosim.bfm import get_bytes, put_bytes, start
from nomul.gen.spec.frames import ANSWER, END, RUN_NUMBERS, Operation, Status, decode, encode
from nomul.gen.spec.registers import RUN_BIT, Region, address_of, word_bytes
from nomul.sw.compiled import CompiledNetwork

#: Clock cycles that an answer may take.
PATIENCE = 200_000


def requests(compiled: CompiledNetwork, images: np.ndarray) -> list[tuple[Operation, bytes]]:
    """Everything that a host asks for, from the first SYNC to the last image."""
    config = compiled.config

    def pieces(region: Region, data: bytes, first: int = 0) -> list[tuple[Operation, bytes]]:
        size = word_bytes(region, config)
        step = (config.frame_bytes - 4) // size
        return [(Operation.WRITE, bytes([region]) + (first + word).to_bytes(3, "little")
                 + data[word * size:(word + step) * size]) for word in range(0, len(data) // size, step)]

    writes = [(Region.PROGRAM, compiled.program.astype("<u4").tobytes()),
              (Region.WEIGHTS, compiled.weights.tobytes()), (Region.PARAMETERS, compiled.parameters.tobytes())]
    asked = [(Operation.SYNC, b"")]
    for region, data in writes:
        asked += pieces(region, data)
    for name, value in compiled.registers().items():
        asked.append((Operation.WRITE, bytes([Region.REGISTERS]) + address_of(name).to_bytes(3, "little")
                      + value.to_bytes(4, "little")))
    for run, image in enumerate(images, start=1):
        number = bytes([run % RUN_NUMBERS])
        asked += [(Operation.START, number + compiled.image_bytes(image)),
                  *pieces(Region.WEIGHT_STREAM, compiled.stream.tobytes(), run % RUN_NUMBERS << RUN_BIT),
                  (Operation.FINISH, number)]
    return asked


@cocotb.test(timeout_time=1, timeout_unit="sec")
@cocotb.parametrize(stall=[0.0, 0.3])
async def logits_equal_the_reference(dut, stall):
    """All images give the expected logits, with full streams and with random stalls on both of them."""
    compiled = CompiledNetwork.load(os.environ["NOMUL_PROGRAM"])
    with np.load(os.environ["NOMUL_VECTORS"]) as vectors:
        images, expected = vectors["images"], vectors["logits"]
    dut.rx__valid.value = dut.tx__ready.value = 0
    await start(dut)
    results = []
    for sequence, (operation, payload) in enumerate(requests(compiled, images)):
        sequence &= 255
        line = encode(sequence, operation, payload)
        send = cocotb.start_soon(put_bytes(dut, "rx", line, stall=stall, dice=random.Random(sequence)))
        answer = bytearray()
        while END not in answer:
            answer += await get_bytes(dut, "tx", 1, stall=stall, dice=random.Random(sequence + len(answer)),
                                      patience=PATIENCE)
        await send
        frame = decode(bytes(answer[:-1]))
        assert frame is not None, f"damaged answer {answer.hex()}"
        assert frame[:2] == (sequence, operation | ANSWER)
        assert frame[2][0] == Status.OK, f"{operation.name} was answered with status {frame[2][0]}"
        if operation is Operation.FINISH:
            logits = np.frombuffer(frame[2][7:], "<i2")
            assert int.from_bytes(frame[2][5:7], "little") == logits.argmax()
            results.append(logits)
    assert np.array_equal(results, expected), f"{results} instead of {expected.tolist()}"
