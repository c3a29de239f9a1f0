"""Playwright: its driver, a long-lived child that speaks JSON over pipes. No browser is needed."""

import asyncio
import hashlib

from loops import run
from playwright.async_api import Error, async_playwright

PAGES = 200


async def serve(reader, writer):
    """Answers a request with its path, many times over."""
    head = await reader.readuntil(b"\r\n\r\n")
    body = head.split()[1] * 100
    start = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    writer.write(start + body)
    writer.close()
    await writer.wait_closed()


async def fetch_pages(playwright, port):
    request = await playwright.request.new_context(base_url=f"http://127.0.0.1:{port}")
    answers = await asyncio.gather(*(request.get(f"/page/{n}") for n in range(PAGES)))
    bodies = [await answer.body() for answer in answers]
    print(PAGES, "pages", {answer.status for answer in answers})
    print(hashlib.sha256(b"".join(bodies)).hexdigest())
    await request.dispose()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        for _ in range(2):  # the second in a driver of its own
            async with async_playwright() as playwright:
                browsers = (playwright.chromium, playwright.firefox, playwright.webkit)
                print([browser.name for browser in browsers])
                print(len(playwright.devices) > 50, "iPhone 13" in playwright.devices)
                playwright.selectors.set_test_id_attribute("data-id")
                try:
                    await playwright.chromium.launch(executable_path="/no/such/browser")
                except Error as error:
                    print("no browser:", "/no/such/browser" in str(error))
                await fetch_pages(playwright, server.sockets[0].getsockname()[1])


run(main())
