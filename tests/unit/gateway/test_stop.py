"""A gateway ends whatever its parts make of a cancellation."""

import asyncio

from helicline.gateway.app import cancel


def test_a_part_that_loses_a_cancellation_is_cancelled_again():
    lost = []

    async def deaf():
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost.append(True)
                if len(lost) == 3:
                    raise

    async def stop():
        waiting = asyncio.Event().wait()
        tasks = [asyncio.create_task(deaf()), asyncio.create_task(waiting)]
        await asyncio.sleep(0)  # lets both begin
        await cancel(tasks, again_s=0.01)
        return [task.cancelled() for task in tasks]

    assert asyncio.run(asyncio.wait_for(stop(), 30)) == [True, True]
    assert len(lost) == 3


def test_parts_that_failed_or_ended_before_are_no_hindrance():
    async def broken():
        raise ValueError

    async def stop():
        ended = asyncio.create_task(asyncio.sleep(0))  # ends by itself
        tasks = [asyncio.create_task(broken()), ended]
        await asyncio.wait(tasks)
        await cancel(tasks)
        return [task.done() for task in tasks]

    assert asyncio.run(stop()) == [True, True]
