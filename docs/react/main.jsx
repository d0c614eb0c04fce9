import { createRoot } from "react-dom/client";
import { ExportButton } from "./export-button.jsx";

const week = { surveyId: "668b6fa3b8d693cd865b44bb", from: "2024-07-19", to: "2024-07-26" };

createRoot(document.getElementById("root")).render(<ExportButton request={week} />);
