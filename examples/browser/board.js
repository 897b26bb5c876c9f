function show(list, texts) {
  list.append(...texts.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

// Three requests at once.
for (const output of document.querySelectorAll("[data-figure]")) {
  fetch(`/figures/${output.dataset.figure}`)
    .then((response) => response.text())
    .then((text) => { output.textContent = text; });
}

// A response that does not end.
const news = document.querySelector("[aria-label=News]");
new EventSource("/news").onmessage = (event) => show(news, [event.data]);

// A conversation.
const search = document.querySelector("[type=search]");
const found = document.querySelector("[aria-label=Found]");
const socket = new WebSocket(`ws://${location.host}/search`);
socket.onopen = () => { search.disabled = false; };
search.oninput = () => socket.send(search.value);
socket.onmessage = (event) => {
  found.replaceChildren();
  show(found, JSON.parse(event.data));
};
