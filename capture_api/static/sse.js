// Server-sent events from a byte stream: EventSource cannot send the Authorization header.
// After the HTML standard, 9.2.6: lines end in CR, LF or CRLF; an empty line ends an event; ":" starts a comment.

/** A parser: feed it text cut anywhere; it calls `onEvent({event, data, id})` for every whole event. */
export function createParser(onEvent) {
  let rest = "";
  let started = false;
  let afterCR = false;
  let fields = { event: "", data: [], id: "" };

  function line(text) {
    if (text === "") return dispatch();
    const [name, value] = split(text);
    if (name === "data") fields.data.push(value);
    else if (name === "event") fields.event = value;
    else if (name === "id" && !value.includes("\0")) fields.id = value;
  }

  function dispatch() {
    const { event, data, id } = fields;
    fields = { event: "", data: [], id }; // the last id stays until another one comes
    if (data.length) onEvent({ event: event || "message", data: data.join("\n"), id });
  }

  return function feed(text) {
    if (!started && text) {
      started = true;
      text = text.replace(/^\uFEFF/, "");
    }
    // A CR that ended the last chunk has ended its line already: the LF of a CRLF is not another line.
    if (afterCR && text.startsWith("\n")) text = text.slice(1);
    if (text) afterCR = text.endsWith("\r");
    const lines = (rest + text).split(/\r\n|\r|\n/);
    rest = lines.pop();
    lines.forEach(line);
  };
}

function split(text) {
  const colon = text.indexOf(":");
  if (colon === 0) return ["", ""];
  if (colon < 0) return [text, ""];
  const value = text.slice(colon + 1);
  return [text.slice(0, colon), value.startsWith(" ") ? value.slice(1) : value];
}

/** Read a response's body to its end. `onChunk` is called for every piece that came, comments included. */
export async function readEvents(response, onEvent, onChunk) {
  const feed = createParser(onEvent);
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onChunk();
    feed(decoder.decode(value, { stream: true }));
  }
}
