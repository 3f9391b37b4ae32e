"""An SMTP server on 127.0.0.1 for the tests: says its port, then one line of JSON for each mail it takes.

Addresses say how they want to be treated: refused…@ is refused for good, locked…@ because of our password, later…@ for now, slow…@ takes its time.
Ends with its standard input.
"""

import asyncio
import json
import sys

from aiosmtpd.smtp import SMTP


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 5.1.1 No such mailbox here"
        if address.startswith("locked"):
            return "535 5.7.8 Authentication credentials invalid"
        if address.startswith("later"):
            return "451 4.3.0 Try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if envelope.rcpt_tos[0].startswith("slow"):
            await asyncio.sleep(3)
        mail = {"to": envelope.rcpt_tos, "from": envelope.mail_from, "raw": envelope.content.decode("utf-8", "replace")}
        print(json.dumps(mail), flush=True)
        return "250 Taken"


async def main():
    loop = asyncio.get_running_loop()
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = await loop.create_server(lambda: SMTP(Handler(), hostname="localhost"), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
