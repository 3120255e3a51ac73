import '@mantine/core/styles/Overlay.css';
import '@mantine/core/styles/ModalBase.css';
import '@mantine/core/styles/Modal.css';
import { Modal } from '@mantine/core';
import { SHEET } from './keys';

export default function KeySheet({ onClose }: { onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title="Keyboard shortcuts" size="lg">
      <dl style={{ columns: 2, columnGap: 28 }}>
        {SHEET.map(([keys, does]) => (
          <div key={does} className="row apart" style={{ padding: '4px 0', breakInside: 'avoid' }}>
            <dt className="soft">{does}</dt>
            <dd>
              {keys.map((key) => (
                <kbd key={key} style={{ marginLeft: 3 }}>
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
