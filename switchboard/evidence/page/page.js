// The page itself: everything from a file is shown as text, never as markup.

const element = (id) => document.getElementById(id);

function line(tag, text, english) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (english) {
    const second = document.createElement("span");
    second.className = "en";
    second.lang = "en";
    second.textContent = ` ${english}`;
    made.append(second);
  }
  return made;
}

function show(found) {
  const holds = found.findings.length > 0 && found.findings.every((one) => one.holds);
  const verdict = element("verdict");
  verdict.className = holds ? "good" : "bad";
  verdict.replaceChildren(
    line("span", holds ? "✓ 自封存后未改动。由谁封存，请核对下面的指纹。" : "✗ 不相符：有内容被改动，或不是本系统封存的文件。",
      holds ? "Unchanged since it was sealed. By whom: compare the fingerprints below." : "Does not hold: something was altered, or this is no sealed act."),
  );
  const facts = [
    ["事项 · Act", found.facts.title], ["编号 · Number", found.facts.act], ["封存时间 · Sealed", found.facts.sealed_at],
    ["公钥指纹 · Key (SHA-256)", found.facts.key], ["机构指纹 · Authority (SHA-256)", found.facts.authority],
  ];
  element("facts").replaceChildren(
    ...facts.filter(([, value]) => value).flatMap(([name, value]) => [line("dt", name), line("dd", value)]),
  );
  element("findings").replaceChildren(...found.findings.map((one) => {
    const row = line("li", `${one.holds ? "✓" : "✗"} ${one.what}：${one.zh}`, one.en);
    row.className = one.holds ? "good" : "bad";
    return row;
  }));
  element("result").hidden = false;
  element("progress").textContent = "";
  verdict.focus();
}

const unreadable = {
  holds: false, what: "文件",
  zh: "不是本系统封存的证据包，或其结构被改动（增加、删除、移动了字节）",
  en: "no container of a switchboard, or its layout was altered: bytes added, removed or moved",
};

element("file").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  if (!file) return;
  element("result").hidden = true;
  try {
    show(await check(file, (share) => { element("progress").textContent = `${Math.round(share * 100)}%`; }));
  } catch {
    show({ findings: [unreadable], facts: {} });
  }
});
