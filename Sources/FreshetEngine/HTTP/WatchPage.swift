/// The page at `/`: plays `/stream.mp4` and shows the counters. Needs nothing from elsewhere.
let watchPage = """
    <!DOCTYPE html>
    <html lang="en">
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>Freshet</title>
    <style>
    :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
    body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
    h1 { font-size: 1.2rem; font-weight: 600; margin: 0 0 .75rem }
    video { width: 100%; aspect-ratio: 16/9; background: #000; border-radius: .5rem }
    dl { display: flex; flex-wrap: wrap; gap: .25rem 2rem; margin: .75rem 0 }
    dt { opacity: .65; font-size: .85rem } dd { margin: 0; font-variant-numeric: tabular-nums }
    #word { min-height: 1.5em } code { font-size: .9em }
    </style>
    <h1>Freshet</h1>
    <video id="video" autoplay muted playsinline controls></video>
    <p id="word" role="status"></p>
    <dl>
    <div><dt>Rate</dt><dd id="rate">–</dd></div>
    <div><dt>Packets lost</dt><dd id="missing">–</dd></div>
    <div><dt>Dropped for slow clients</dt><dd id="dropped">–</dd></div>
    <div><dt>Clients</dt><dd id="clients">–</dd></div>
    </dl>
    <p>In a player: <code id="address"></code></p>
    <script>
    const by = name => document.getElementById(name), video = by("video")
    const say = text => { by("word").textContent = text }
    let before = null, isOpen = true, retry = 0
    by("address").textContent = new URL("stream.ts", location.href).href
    const play = () => { retry = 0; video.src = "stream.mp4?" + Date.now(); video.play().catch(() => {}) }
    const again = text => {
      say(isOpen ? text : "The stream has ended.")
      if (isOpen && !retry) retry = setTimeout(play, 1000)
    }
    video.addEventListener("playing", () => say(""))
    video.addEventListener("ended", () => again("The stream broke off; trying again."))
    video.addEventListener("error", () => again("The browser cannot play the stream (yet); trying again."))
    const look = async () => {
      try {
        const now = await (await fetch("stats.json", { cache: "no-store" })).json()
        if (before && now.milliseconds > before.milliseconds) {
          const rate = (now.bytesIn - before.bytesIn) * 8 / (now.milliseconds - before.milliseconds) / 1000
          by("rate").textContent = rate.toFixed(2) + " Mbit/s"
        }
        by("missing").textContent = now.missing
        by("dropped").textContent = now.dropped + " bytes"
        by("clients").textContent = now.clients + " of " + now.clientLimit
        if (now.mp4Error) say(now.mp4Error)
        if (!now.mp4) say("This server gives no MP4; open the stream in a player.")
        isOpen = now.open
        before = now
      } catch { isOpen = false; say("The server does not answer.") }
    }
    look()
    setInterval(look, 1000)
    play()
    </script>
    </html>
    """
