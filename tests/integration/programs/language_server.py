"""pygls: a client works with a language server, jedi-language-server, over stdio."""

import asyncio
import sys
import tempfile
from pathlib import Path

from loops import run
from lsprotocol import types
from pygls.lsp.client import LanguageClient

SERVER = "from jedi_language_server.cli import cli; cli()"
SOURCE = '''\
import json


def area(width, height):
    """Of a rectangle."""
    return width * height


def volume(width, height, depth):
    return area(width, height) * depth


json.du
'''
BROKEN = "def nothing(:\n    pass\n"
CALL = 9  # the line of SOURCE that calls area()


class Client(LanguageClient):
    async def server_exit(self, server):
        print("server has left", server.returncode)


def place(uri, line, character):
    document = types.TextDocumentIdentifier(uri=uri)
    return {"text_document": document, "position": types.Position(line, character)}


async def open_document(client, root, name, text):
    """Its address, once the server has said what is wrong in it."""
    uri = (root / name).as_uri()
    diagnosed = asyncio.get_running_loop().create_future()
    client.waiting[uri] = diagnosed
    (root / name).write_text(text)
    document = types.TextDocumentItem(uri=uri, language_id="python", version=1, text=text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=document))
    print(name, [diagnostic.range.start.line for diagnostic in await diagnosed])
    return uri


async def work(client, root):
    hello = await client.initialize_async(
        types.InitializeParams(capabilities=types.ClientCapabilities(), root_uri=root.as_uri())
    )
    print(hello.server_info.name)
    client.initialized(types.InitializedParams())
    await open_document(client, root, "broken.py", BROKEN)
    uri = await open_document(client, root, "shapes.py", SOURCE)

    params = types.CompletionParams(**place(uri, 12, 7))
    found = await client.text_document_completion_async(params)
    print("completion", sorted(item.label for item in found.items))

    params = types.DefinitionParams(**place(uri, CALL, 12))
    found = await client.text_document_definition_async(params)
    print("definition", [(location.uri == uri, location.range.start.line) for location in found])

    context = types.ReferenceContext(include_declaration=True)
    params = types.ReferenceParams(**place(uri, 3, 5), context=context)
    found = await client.text_document_references_async(params)
    print("references", sorted(location.range.start.line for location in found))

    hovers = [types.HoverParams(**place(uri, CALL, column)) for column in range(38)]
    answers = await asyncio.gather(*map(client.text_document_hover_async, hovers))
    print("hovers", ["Of a rectangle." in str(answer) for answer in answers])

    await client.shutdown_async(None)
    client.exit(None)


async def main():
    client = Client("integration-test", "1")
    client.waiting = {}

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def publish(params):
        client.waiting[params.uri].set_result(params.diagnostics)

    with tempfile.TemporaryDirectory() as folder:
        await client.start_io(sys.executable, "-c", SERVER)
        await asyncio.wait_for(work(client, Path(folder).resolve()), 60)
        await asyncio.wait_for(client.stop(), 10)


run(main())
