//! What the desktop says where the window's page cannot: the tray's menu, and the title of a window.

use serde::{Deserialize, Serialize};

use crate::tray::Engine;

/// A language that HAPA speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Korean.
    Ko,
    /// English.
    En,
}

/// What is said.
pub struct Words {
    pub open: &'static str,
    pub quick: &'static str,
    pub pause: &'static str,
    pub resume: &'static str,
    pub quit: &'static str,
    /// Told once, when a closed window stays in the tray.
    pub stays: (&'static str, &'static str),
    /// What the engine is doing.
    pub engine: fn(Engine) -> &'static str,
}

impl Language {
    /// The system's, until the window has said which one the user chose.
    pub fn of_system() -> Self {
        let korean = sys_locale::get_locale().is_some_and(|locale| locale.to_lowercase().starts_with("ko"));
        if korean { Self::Ko } else { Self::En }
    }

    /// Everything that the desktop says in it.
    pub fn words(self) -> &'static Words {
        match self {
            Self::Ko => &KO,
            Self::En => &EN,
        }
    }
}

const KO: Words = Words {
    open: "HAPA 열기",
    quick: "빠른 질문",
    pause: "엔진 일시정지",
    resume: "엔진 재개",
    quit: "HAPA 종료",
    stays: ("HAPA가 트레이에서 계속 실행됩니다", "트레이 아이콘에서 다시 열거나 종료할 수 있습니다."),
    engine: |engine| match engine {
        Engine::Starting => "시작 중",
        Engine::Loading => "모델 불러오는 중",
        Engine::Ready => "준비됨",
        Engine::Paused => "일시정지됨: 모델을 메모리에서 내렸습니다",
        Engine::Absent => "모델 없음",
        Engine::Failed => "엔진 오류",
    },
};

const EN: Words = Words {
    open: "Open HAPA",
    quick: "Quick question",
    pause: "Pause engine",
    resume: "Resume engine",
    quit: "Quit HAPA",
    stays: ("HAPA keeps running in the tray", "Open or quit it from the tray icon."),
    engine: |engine| match engine {
        Engine::Starting => "Starting",
        Engine::Loading => "Loading model",
        Engine::Ready => "Ready",
        Engine::Paused => "Paused: the model is unloaded",
        Engine::Absent => "No model",
        Engine::Failed => "Engine error",
    },
};
