// Shows an error page with a reload button if the page's own script fails before anything is rendered. It depends on nothing else, so
// that nothing else can break it.
(function () {
  'use strict';
  var texts = {
    ko: ['화면을 표시하지 못했습니다', '대화와 설정은 안전합니다. 다시 불러와 보세요.', '다시 불러오기'],
    en: ['The page could not be displayed', 'Your conversations and settings are safe. Try reloading.', 'Reload'],
  };
  var shown = false;

  function show(reason) {
    if (shown || document.documentElement.dataset.mounted) return;
    shown = true;
    var text = texts[/^ko/i.test(navigator.language) ? 'ko' : 'en'];
    var main = document.createElement('main');
    main.className = 'unopened';
    main.dataset.testid = 'page-unopened';
    var title = document.createElement('h1');
    title.textContent = text[0];
    var help = document.createElement('p');
    help.textContent = text[1];
    var button = document.createElement('button');
    button.type = 'button';
    button.textContent = text[2];
    button.addEventListener('click', function () {
      location.reload();
    });
    var details = document.createElement('pre');
    details.textContent = String(reason || '');
    main.append(title, help, button, details);
    document.body.replaceChildren(main);
    button.focus();
    invokeHost('window_ready');
    requestAnimationFrame(function () {
      requestAnimationFrame(function () {
        invokeHost('window_painted');
      });
    });
  }

  function invokeHost(command) {
    var desktop = window.__TAURI_INTERNALS__;
    if (desktop) desktop.invoke(command).catch(function () {});
  }

  window.addEventListener(
    'error',
    function (event) {
      // A script that failed to load is reported by its element, not by a message.
      var script = event.target instanceof HTMLScriptElement ? event.target.src : '';
      if (event.message || script) show(event.message || script);
    },
    true,
  );
})();
